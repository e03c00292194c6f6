"""A finding: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from features.faults import Fault

__all__ = ["Finding", "State", "failed", "fine", "wants"]

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    check : str
        What was looked at.
    state : "ok", "warn" or "fail"
        ``fail`` is for what stops the work, or makes its figures old: the doctor leaves with 1.
    found : str
    cure : str
        What to do; empty where nothing is.
    """

    check: str
    state: State
    found: str
    cure: str = ""


def fine(check: str, found: str) -> Finding:
    """Say that all is well.

    Examples
    --------
    >>> fine("disk", "12.0 GB free").state
    'ok'
    """
    return Finding(check, "ok", found)


def wants(check: str, found: str, cure: str, *, badly: bool = False) -> Finding:
    """Say that somebody should do something, or must.

    Examples
    --------
    >>> wants("backup", "none yet", "perennial backup FOLDER").state
    'warn'
    """
    return Finding(check, "fail" if badly else "warn", found, cure)


def failed(check: str, fault: Fault) -> Finding:
    """Tell a fault as a finding.

    Examples
    --------
    >>> failed("store", Fault("busy", "locked", "try again later"))
    Finding(check='store', state='fail', found='locked (busy)', cure='try again later')
    """
    return Finding(check, "fail", f"{fault.message} ({fault.code})", fault.cure)
