"""The peak of a process's own memory, as an expression for programs that tests run apart.

``ru_maxrss`` of a child counts what its parent held when it was made: under a test worker of
2 GB every child seems to need 2 GB. The kernel's high-water mark begins anew with the program.
"""

__all__ = ["PEAK_MB"]

PEAK_MB = (
    '(int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])'
    " // 1024)"
)
