"""A process that is asked to end says so, whatever its libraries make of the signal."""

from __future__ import annotations

import signal

import pytest

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


def test_a_failure_of_its_own_stays_what_it_is() -> None:
    with pytest.raises(RuntimeError, match="of its own"), stoppable():
        raise RuntimeError("of its own")
