"""A process that is asked to end says so, whatever its libraries make of the signal."""

from __future__ import annotations

import signal
import time

import pytest

from serving.cli import stopping
from serving.cli.stopping import Stopped, stoppable


def _query() -> None:
    """End as DuckDB does: with a failure of its own instead of what the signal raised."""
    try:
        signal.raise_signal(signal.SIGTERM)
    except Stopped as inner:
        raise RuntimeError("Query interrupted") from inner


@pytest.mark.fault("B16")
def test_a_library_that_swallows_the_signal_s_fault_does_not_hide_it() -> None:
    with pytest.raises(Stopped) as stopped, stoppable():
        _query()
    assert stopped.value.exit_code == 75


class _Tidied:
    """An object that is asked to end while it is tidied up: Python drops what is raised there."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGTERM)


def _drop() -> None:
    _Tidied()
    time.sleep(5)


def _close(closed: list[bool]) -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
    finally:
        time.sleep(0.05)
        closed.append(True)


@pytest.mark.fault("B16")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_fault_that_was_dropped_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "AGAIN", 0.02)
    with pytest.raises(Stopped), stoppable():
        _drop()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_what_is_being_closed_is_not_disturbed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "AGAIN", 0.01)
    closed: list[bool] = []
    with pytest.raises(Stopped), stoppable():
        _close(closed)
    assert closed == [True]


def test_a_failure_of_its_own_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="of its own"), stoppable():
        raise RuntimeError("of its own")
