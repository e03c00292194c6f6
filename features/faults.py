"""A fault: something about the input, the state or the machine that a user must hear of.

Every fault says what was found, where, and the cure, and carries the exit code of its kind.
"""

from __future__ import annotations

__all__ = [
    "Busy",
    "CannotWrite",
    "ConfigurationRefused",
    "DataRejected",
    "DependencyDown",
    "Fault",
    "InputMissing",
    "InternalFault",
    "NotPermitted",
    "UsageFault",
]


class Fault(Exception):
    """A fault with a code, a message and a cure.

    Parameters
    ----------
    code : str
        Dotted name of the fault, e.g. ``"schema.missing_column"``.
    message : str
        What was found, with its file, row or column.
    cure : str
        What the user can do about it.

    Examples
    --------
    >>> fault = DataRejected("feed.empty_file", "usage.csv: 0 bytes", "export the table again")
    >>> print(fault)
    usage.csv: 0 bytes: feed.empty_file: export the table again
    >>> fault.exit_code
    65
    """

    exit_code = 70

    def __init__(self, code: str, message: str, cure: str = "") -> None:
        super().__init__(code, message, cure)
        self.code = code
        self.message = message
        self.cure = cure

    def __str__(self) -> str:
        parts = [self.message, self.code, self.cure]
        return ": ".join(part for part in parts if part)


class UsageFault(Fault):
    """The command was called in a way that it does not know."""

    exit_code = 2


class DataRejected(Fault):
    """The data was refused, or a gate held it."""

    exit_code = 65


class InputMissing(Fault):
    """An input that was asked for is not there."""

    exit_code = 66


class DependencyDown(Fault):
    """Something that this process depends on does not answer."""

    exit_code = 69


class InternalFault(Fault):
    """A law of the program does not hold: a bug."""

    exit_code = 70


class CannotWrite(Fault):
    """The disk is full or refuses to be written."""

    exit_code = 73


class Busy(Fault):
    """Somebody else is at work, or a feed is not complete: try again later."""

    exit_code = 75


class NotPermitted(Fault):
    """A file may not be read, or is not of a kind that is read."""

    exit_code = 77


class ConfigurationRefused(Fault):
    """The configuration has an unknown key or a value that cannot be."""

    exit_code = 78
