"""A plan for new logos: read, refused, and laid on top of what the cohort closes at."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from features.faults import DataRejected, InputMissing, UsageFault
from models.forecast import forecast
from models.plan import read_plan, with_plan
from tests.test_forecast import random_book


def written(tmp_path, text, name="plan.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def told(as_of=date(2025, 7, 1), n=40):
    book = random_book(40).of(np.arange(n))
    return forecast(book, 3, 0.2, as_of=as_of, definition={}, n_eff=4.0)


def test_a_csv_and_a_toml_say_the_same(tmp_path):
    plan = {"2025-07": Decimal("1200.5"), "2025-09": Decimal(0)}
    rows = "\ufeffnew_mrr, month\r\n1200.5,2025-07\r\n\r\n0,2025-09\r\n"
    assert read_plan(written(tmp_path, rows)) == plan
    keys = '2025-07 = 1200.5\n"2025-09" = 0\n'
    assert read_plan(written(tmp_path, keys, "plan.toml")) == plan


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("p.csv", "", "plan.unreadable"),
        ("p.csv", "month,new_mrr\n", "plan.unreadable"),
        ("p.toml", "", "plan.unreadable"),
        ("p.csv", "month,amount\n2025-07,1\n", "plan.unreadable"),
        ("p.toml", "2025-07 = [", "plan.unreadable"),
        ("p.toml", "2025-07 = " + "9" * 5_000, "plan.unreadable"),
        ("p.toml", "2025-07 = " + "[" * 3_000, "plan.unreadable"),
        ("p.csv", "month,new_mrr\n2025-13,1\n", "plan.row"),
        ("p.csv", "month,new_mrr\n2025-07-01,1\n", "plan.row"),
        ("p.csv", "month,new_mrr\n2025-07,-1\n", "plan.row"),
        ("p.csv", "month,new_mrr\n2025-07,nan\n", "plan.row"),
        ("p.csv", "month,new_mrr\n2025-07,much\n", "plan.row"),
        ("p.csv", "month,new_mrr\n2025-07,1,2\n", "plan.row"),
        ("p.csv", "month,new_mrr\n2025-07,1\n2025-07,2\n", "plan.row"),
        ("p.toml", "[2025-07]\nnew = 1", "plan.row"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(tmp_path, name, text, code):
    with pytest.raises(DataRejected) as refused:
        read_plan(written(tmp_path, text, name))
    assert refused.value.code == code
    assert name in str(refused.value)


def test_no_file_and_no_text_are_refused(tmp_path):
    with pytest.raises(InputMissing, match="No such file"):
        read_plan(tmp_path / "none.csv")
    (tmp_path / "p.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataRejected, match="not UTF-8"):
        read_plan(tmp_path / "p.csv")


def test_the_plan_adds_up_beside_the_cohort_and_nrr_stays():
    said = told()
    whole = with_plan(said, {"2025-07": Decimal(100), "2025-09": Decimal("0.5")})
    assert [step["new_logo_mrr"] for step in whole[:4]] == [100, 100, 100.5, 100.5]
    for step, month in zip(whole, said["monthly_path"], strict=True):
        assert step["cohort_closing_mrr"]["p90"] == month["nrr"]["p90"] * said["opening_mrr"]
        new = step["closing_mrr"]["p10"] - step["cohort_closing_mrr"]["p10"]
        assert new == pytest.approx(step["new_logo_mrr"])
    assert whole[2]["cohort_closing_mrr"]["mean"] == pytest.approx(said["closing_mrr"]["mean"])


def test_in_the_middle_of_a_month_its_plan_comes_with_the_next_period():
    whole = with_plan(told(date(2025, 7, 17)), {"2025-07": Decimal(100), "2026-06": Decimal(1)})
    assert whole[0]["period_end"] == "2025-08-16"
    assert (whole[0]["new_logo_mrr"], whole[-1]["new_logo_mrr"]) == (100, 101)


@pytest.mark.parametrize("month", ["2025-06", "2026-07"])
def test_a_month_outside_the_forecast_is_refused(month):
    with pytest.raises(UsageFault, match=month):
        with_plan(told(), {month: Decimal(1)})


def test_a_month_of_the_first_years_is_outside_too(tmp_path):
    plan = read_plan(written(tmp_path, "month,new_mrr\n0001-01,5\n", "plan.csv"))
    with pytest.raises(UsageFault, match="0001-01"):
        with_plan(told(), plan)


def test_without_a_cohort_the_plan_is_all_there_is():
    whole = with_plan(told(n=0), {"2025-07": Decimal(100)})
    assert whole[0]["closing_mrr"] == {"mean": 100, "p10": 100, "p50": 100, "p90": 100}
