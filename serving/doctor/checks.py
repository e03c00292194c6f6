"""The list of checks, in the order in which they are told: one function each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from features.faults import Fault
from serving.doctor import freshness, machine, state
from serving.doctor.finding import Finding, failed
from serving.doctor.monitoring import monitoring
from serving.doctor.patient import Patient

__all__ = ["CHECKS", "Check", "examined", "told"]

Check = Callable[[Patient], Iterator[Finding]]

CHECKS: tuple[Check, ...] = (
    state.configuration,
    machine.versions,
    state.schema,
    state.store,
    state.model,
    freshness.publish,
    freshness.weeks,
    freshness.feeds,
    monitoring,
    state.alerts,
    machine.locks,
    machine.disk,
    machine.surroundings,
    freshness.backup,
)
"""Every check; its name is what a finding is told under."""


def examined(patient: Patient, checks: Sequence[Check] = CHECKS) -> list[Finding]:
    """Let every check look; what one of them refuses to go on with is a finding of its own.

    Examples
    --------
    >>> def broken(patient):
    ...     raise Fault("store", "no such table", "restore the last backup")
    ...     yield
    >>> [(one.check, one.state) for one in examined(None, [broken])]
    [('broken', 'fail')]
    """
    return [finding for check in checks for finding in _looked(check, patient)]


def told(findings: Sequence[Finding]) -> Mapping[str, Any]:
    """Give findings as JSON: ``well`` is false where one of them is a failure.

    Examples
    --------
    >>> told([Finding("disk", "ok", "12.0 GB free")])["well"]
    True
    """
    states = [one.state for one in findings]
    counts = {state: states.count(state) for state in ("ok", "warn", "fail")}
    return {
        "well": not counts["fail"],
        "counts": counts,
        "findings": [vars(one) for one in findings],
    }


def _looked(check: Check, patient: Patient) -> list[Finding]:
    try:
        return list(check(patient))
    except Fault as fault:
        return [failed(check.__name__, fault)]
