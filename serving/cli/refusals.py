"""Refusals: a fault becomes one line on standard error and its exit code; a bug becomes 70."""

from __future__ import annotations

import errno
import sys
from types import TracebackType

from features.faults import CannotWrite, Fault, NotPermitted

__all__ = ["Refusals"]


class Refusals:
    """Turn a fault into its line and exit code, and anything unforeseen into exit code 70.

    Examples
    --------
    >>> from features.faults import UsageFault
    >>> with Refusals():
    ...     raise UsageFault("usage", "--horizon 2", "1, 3 or 12 months")
    Traceback (most recent call last):
    ...
    SystemExit: 2
    """

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        fault = _of_the_machine(error) if isinstance(error, OSError) else error
        if isinstance(fault, Fault):
            _tell_fault(fault)
            raise SystemExit(fault.exit_code)
        if error is not None and isinstance(error, Exception):
            sys.excepthook(type(error), error, trace)
            print("perennial: internal: this is a bug; please report it", file=sys.stderr)  # noqa: T201
            raise SystemExit(70)


def _of_the_machine(error: OSError) -> Exception:
    """Tell what the machine refused from a bug."""
    message = f"{error.filename or 'disk'}: {error.strerror}"
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermitted("not_permitted", message, "allow it, or use another folder")
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EEXIST, errno.ENOTDIR):
        return CannotWrite("cannot_write", message, "make room, or use another folder")
    return error


def _tell_fault(fault: Fault) -> None:
    from serving import terminal  # heavy: rich

    if "--json" in sys.argv:
        error = {"code": fault.code, "message": fault.message, "cure": fault.cure}
        terminal.emit({"error": error | {"exit_code": fault.exit_code}})
    terminal.say(f"perennial: {fault}")
