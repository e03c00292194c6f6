"""Labels by hand: what is closed when, what counts as gone, more and less."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features.faults import DataRejected, InternalFault
from training.labels import REPORTING_LAG_DAYS, Panel, panel

M = 1_000_000
NEVER = date(2030, 1, 1)


def ledger(**accounts):
    """Closing MRR from January 2025 on, in dollars; organic movements where a pair is given."""
    rows = []
    for account, months in accounts.items():
        before = 0
        for at, value in enumerate(months):
            closing, organic = value if isinstance(value, tuple) else (value, value - before)
            end = pd.Timestamp(2025, at + 1, 1) + pd.offsets.MonthEnd(0)
            rows.append((account, end.date(), closing * M, organic * M))
            before = closing
    columns = ["account_id", "month_end", "closing_micros", "organic_micros"]
    return panel(pd.DataFrame(rows, columns=columns))


def seen(*accounts, as_of=date(2025, 2, 1), mrr=100):
    return pd.DataFrame({"account_id": accounts, "as_of": as_of, "mrr_micros": mrr * M})


def leads(flags):
    return (np.flatnonzero(flags) + 1).tolist()


def test_the_panel_is_the_ledger_by_account_and_month():
    table = ledger(b=[100, 120, 0], a=[50, 50, 60])
    assert list(table.accounts) == ["a", "b"]
    assert table.first == date(2025, 1, 31)
    assert (table.mrr // M).tolist() == [[50, 50, 60], [100, 120, 0]]
    assert (table.organic // M).tolist() == [[50, 50, 60], [100, 120, 0]]


def test_an_account_that_joins_later_pays_nothing_before():
    joined = pd.DataFrame(
        {
            "account_id": ["a", "a", "b"],
            "month_end": [date(2025, 1, 31), date(2025, 2, 28), date(2025, 2, 28)],
            "closing_micros": [1, 2, 3],
            "organic_micros": [0, 1, 0],
        }
    )
    assert panel(joined).mrr.tolist() == [[1, 2], [0, 3]]


def test_outcomes_by_hand():
    """As of 1 February the book stands at 31 January; lead 1 is 28 February."""
    table = ledger(
        stays=[100, 100, 100, 100, 100],
        leaves=[100, 100, 0, 0, 0],
        returns=[100, 0, 0, 100, 100],
        grows=[100, 101, 102, 101, 110],
        shrinks=[100, 99, 98, 90, 100],
        priced=[100, (130, 0), (130, 0), (130, 0), (130, 0)],
    )
    told = table.outcomes(seen(*table.accounts), NEVER)
    by = {name: at for at, name in enumerate(table.accounts)}
    assert leads(told.closed[0]) == [1, 2, 3, 4]
    assert leads(told.gone[by["leaves"]] & told.closed[0]) == [2, 3, 4]
    assert leads(told.gone[by["returns"]] & told.closed[0]) == [1, 2]
    assert leads(told.still_paying_before[by["leaves"]]) == [1, 2]
    assert leads(told.still_paying_before[by["returns"]]) == [1]
    assert leads(told.expand[by["grows"]]) == [2, 4]  # 2 % of 100, cumulated; 1 % is flat
    assert leads(told.contract[by["shrinks"]]) == [2, 3]
    assert not told.expand[by["priced"]].any()  # a price rise is no expansion
    assert told.change[by["priced"]][0] == pytest.approx(0.3)
    assert not (told.expand & told.contract).any()
    assert not (told.gone & (told.expand | told.contract)).any()


def test_two_percent_is_two_percent_of_the_opening():
    table = ledger(a=[100, 100, 200, 203, 204])
    told = table.outcomes(seen("a", as_of=date(2025, 4, 1), mrr=200), NEVER)
    assert leads(told.expand[0]) == [2]  # 203 is 1.5 % more, 204 is 2 %


def test_a_label_closes_thirty_one_days_after_its_window():
    """Lead 1 as of 1 February is 28 February; its label is known to one who asks on 1 April."""
    table = ledger(a=[100] * 6)
    closes = date(2025, 2, 28) + timedelta(days=REPORTING_LAG_DAYS)
    assert closes == date(2025, 3, 31)
    assert leads(table.outcomes(seen("a"), closes).closed[0]) == []
    assert leads(table.outcomes(seen("a"), date(2025, 4, 1)).closed[0]) == [1]
    assert leads(table.outcomes(seen("a"), date(2025, 5, 1)).closed[0]) == [1]
    assert leads(table.outcomes(seen("a"), date(2025, 5, 2)).closed[0]) == [1, 2]


def test_nothing_is_closed_beyond_the_ledger():
    table = ledger(a=[100, 100, 100])
    assert leads(table.outcomes(seen("a"), NEVER).closed[0]) == [1, 2]
    late = table.outcomes(seen("a", as_of=date(2025, 4, 1)), NEVER)
    assert not late.closed.any()


def test_what_the_ledger_does_not_know_is_not_closed():
    table = ledger(a=[100, 100, 100])
    told = table.outcomes(seen("a", "stranger"), NEVER)
    assert told.closed.any(axis=1).tolist() == [True, False]


def test_later_knowledge_withdraws_a_departure():
    """The ledger of the training is the latest: a late renewal has bridged its gap."""
    frame, asked = seen("a"), date(2025, 6, 1)
    first, later = ledger(a=[100, 0, 0, 0]), ledger(a=[100, 100, 100, 100])
    assert first.outcomes(frame, asked).gone[0, 0]
    assert not later.outcomes(frame, asked).gone[0, 0]


def test_outcomes_are_asked_for_at_month_starts_alone():
    """As of 15 February the ledger's January is past and its February is still to come."""
    table = ledger(a=[100, 100, 100])
    with pytest.raises(InternalFault, match="mid_month"):
        table.outcomes(seen("a", as_of=date(2025, 2, 15)), NEVER)


def test_the_one_who_asks_may_stand_within_a_month():
    table = ledger(a=[100] * 6)
    assert leads(table.outcomes(seen("a"), date(2025, 4, 15)).closed[0]) == [1]


def test_rows_of_several_months_keep_their_own_opening():
    table = ledger(a=[100, 100, 0, 0])
    frame = pd.concat([seen("a"), seen("a", as_of=date(2025, 3, 1))], ignore_index=True)
    told = table.outcomes(frame, NEVER)
    assert leads(told.gone[0] & told.closed[0]) == [2, 3]
    assert leads(told.gone[1] & told.closed[1]) == [1, 2]
    assert table.opening_column(frame).tolist() == [0, 1]


def test_an_empty_frame_has_no_outcomes():
    table = Panel(pd.Index(["a"]), date(2025, 1, 31), np.ones((1, 3)), np.ones((1, 3)))
    assert table.outcomes(seen(), NEVER).closed.shape == (0, 12)


@pytest.mark.fault("T04")
@pytest.mark.parametrize("astray", [np.nan, np.inf])
def test_an_amount_that_is_no_number_is_refused_with_its_account_and_month(astray):
    rows = pd.DataFrame(
        {
            "account_id": ["a", "b"],
            "month_end": [date(2025, 1, 31)] * 2,
            "closing_micros": [1.0, astray],
            "organic_micros": [0.0, 0.0],
        }
    )
    with pytest.raises(DataRejected, match=r"1 months.* b at 2025-01-31: train\.label") as refused:
        panel(rows)
    assert refused.value.exit_code == 65
