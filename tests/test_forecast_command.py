"""`perennial forecast`: its page, its CSV, its picture, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from datetime import date
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.rules import Rules
from models.forecast import forecast
from models.outcomes import Outlook
from models.settled import PARTS
from serving.forecast_csv import forecast_csv
from serving.settings import load
from serving.settled import SettledAtHand
from serving.terminal import against_actual, answered, scenario
from serving.terminal.forecast import FIGURES, forecasts
from serving.terminal.paper import figures, percent, show
from tests.command_line import copied, perennial, workspace

ROOT = Path(__file__).resolve().parents[1]


def numbers_of(page: str) -> list[str]:
    """Give the cells of a page's tables."""
    return [cell.strip() for line in page.splitlines() if "│" in line for cell in line.split("│")]


def made(target: float | None = 1.05) -> dict[str, Any]:
    """Forecast forty accounts of 100 a month, one of which has given notice."""
    n = 40
    lead = np.linspace(1, 12, 12) / 12
    p = np.tile(0.12 * lead, (n, 1))
    size = np.tile([0.3, 0.1, 0.04], (n, 12, 1))
    accounts = pd.DataFrame(
        {
            "account_id": [f"a{k:02}" for k in range(n)],
            "mrr_micros": 10**8,
            "segment": ["=1+1" if k % 4 else "smb" for k in range(n)],
        }
    )
    notice = np.zeros((n, 12), dtype=bool)
    notice[0] = True
    book = Outlook(accounts, p, 0.2 * p, p, size, size, notice, np.full((n, 12), np.nan))
    body = forecast(
        book,
        3,
        0.3,
        as_of=date(2025, 7, 1),
        definition=Rules().stamp(),
        n_eff=1.2,
        cuts=["segment"],
        nrr_target=target,
    )
    simple = {"calendar": 0.99, "same as last year": 1.02, "no change": 1.0}
    return body | {"baselines": simple}


@pytest.fixture(scope="module")
def body() -> dict[str, Any]:
    return made()


def page(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, show: Any) -> str:
    monkeypatch.setenv("COLUMNS", "100")
    show()
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 100
    return said


def test_every_figure_is_shown_with_unit_period_and_definition(
    body: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = page(capsys, monkeypatch, lambda: answered(body, "EUR"))
    for _, name, meaning in FIGURES:
        assert name in said
        assert meaning in said
    for part in (
        "3 months from 2025-06-30 to 2025-09-30",
        "closing MRR, EUR",
        "notice given",
        "after what is booked",
        "By segment",
        "=1+1",
        "reaches the target of 105.0 %",
        "calendar 99.0 %, same as last year 102.0 %",
        "confidence: thin: the width rests on 1.2 independent past periods",
        "prior-driven width (n_eff 1.2)",
        "rules: preset default",
    ):
        assert part in said, part


def test_what_a_forecast_does_not_carry_is_not_shown(
    body: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("ttm_at", "expansion_by_lever", "baselines", "concentration", "bridge", "by_cut")
    least = {key: value for key, value in body.items() if key not in asked}
    said = page(capsys, monkeypatch, lambda: answered(least | {"p_target": None}, "EUR"))
    for word in ("Trailing", "lever", "simpler", "largest", "step", "By segment", "target"):
        assert word not in said


def test_the_record_of_past_forecasts_stands_beside_the_interval(
    body: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = {"forecast": 1.57, "no change": 2.6, "theta by segment": 1.2, "calendar": None}
    past = {"periods": [{}] * 6, "coverage_80": 0.5, "mean_absolute_error_points": errors}
    said = page(capsys, monkeypatch, lambda: answered(body | {"backtest": past}, "EUR"))
    for part in (
        "on 6 past periods: 80 % interval held in 3",
        "off by 1.6 points",
        "theta by segment",
    ):
        assert part in " ".join(said.split()), part
    none = {"periods": [], "coverage_80": None, "mean_absolute_error_points": {}}
    assert "past periods:" not in page(
        capsys, monkeypatch, lambda: answered(body | {"backtest": none}, "EUR")
    )


def test_trailing_figures_levers_and_plans_are_shown_where_they_are_carried(
    body: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spread = body["nrr"]
    ending = {"date": "2025-12-31", "cohort_accounts": 31, "months_forecast": 6, "p_target": 0.4}
    actual = ending | {"date": "2025-06-30", "months_forecast": 0, "p_target": 0.0}
    more = {
        "ttm_at": {
            "month": actual | {"nrr": {"mean": 1.01}, "grr": {"mean": 0.9}},
            "fiscal_year": ending | {"nrr": spread, "grr": body["grr"]},
        },
        "expansion_by_lever": {"seat": body["expansion_mrr"]["mean"]},
        "expansion_plan": 250.0,
    }
    said = page(capsys, monkeypatch, lambda: answered(body | more, "EUR"))
    for part in ("fiscal year", "2025-12-31", "actual", "seat", "(100 %)", "planned: 250 EUR"):
        assert part in said, part


def test_a_scenario_stands_beside_the_forecast(
    body: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = {key: {"mean": 0.01} for key, *_ in FIGURES}
    change = {"accounts": 10, "opening_mrr": 1000.0, "reached": 9, "capped": 0}
    told = {"baseline": body, "scenario": body, "difference": apart, "changes": [change]}
    said = page(capsys, monkeypatch, lambda: scenario(told, "EUR"))
    assert "+1.00 points" in said
    assert "change 1: 10 accounts, opening MRR 1,000 EUR; it reached 9" in said
    assert "confidence: thin: the width rests on 1.2 independent past periods" in said
    assert "rules: preset default" in said
    assert "the scenario is the published forecast" in said
    other = body | {"nrr": {name: value + 0.01 for name, value in body["nrr"].items()}}
    said = page(capsys, monkeypatch, lambda: scenario(told | {"scenario": other}, "EUR"))
    assert "the scenario is the published forecast" not in said


def test_a_cohort_without_mrr_says_why(
    body: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = body | {"nrr": None, "reason": "no opening MRR: the cohort is empty"}
    said = page(capsys, monkeypatch, lambda: answered(empty, "EUR"))
    assert "no forecast: no opening MRR" in said


def test_the_csv_has_a_row_per_cut_and_figure_and_runs_no_formula(body: dict[str, Any]) -> None:
    rows = list(csv.DictReader(io.StringIO(forecast_csv(body, "EUR").decode())))
    assert len(rows) == 3 * len(FIGURES)
    assert {row["value"] for row in rows} == {"", "'=1+1", "smb"}
    assert {row["unit"] for row in rows} == {"ratio", "EUR", "accounts"}
    whole = {row["figure"]: row for row in rows if not row["cut"]}
    for key, *_ in FIGURES:
        assert float(whole[key]["mean"]) == body[key]["mean"]
        assert float(whole[key]["p90"]) == body[key]["p90"]
    parts = [float(row["mean"]) for row in rows if row["cut"] and row["figure"] == "closing_mrr"]
    assert sum(parts) == pytest.approx(body["closing_mrr"]["mean"])


def test_the_pages_say_what_a_forecast_is_combined_with(
    body: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"forecast": 0.6, "ETS by segment": 0.4}
    weighed = {"weights": weights, "nrr": {"forecast": 1.01}, "shift_points": -0.4}
    both = body | {"combined": weighed}
    said = page(capsys, monkeypatch, lambda: answered(both, "EUR"))
    assert "combined with ETS by segment (40.0 %) by inverse past error; 101.0 % alone" in said
    said = page(capsys, monkeypatch, lambda: forecasts({"3": both, "12": body}))
    assert "next quarter: combined with ETS by segment (40.0 %)" in said
    assert said.count("combined with") == 1


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (("--horizon", "2"), "1, 3 or 12 months"),
        (("--format", "xlsx"), "table, json, csv"),
        (("--format", "csv", "--reach", "1.1"), "--reach as CSV"),
        (("--format", "csv", "--json"), "give one of the two"),
        (("--reach", "-1"), "a ratio above 0"),
        (("--reach", "1000"), "at most 10"),
        (("--plot", "no-such-folder/a.svg"), "no such folder"),
        (("--plot", "a.pdf"), ".svg or .png"),
        (("--plot", "a.svg", "--against-actual"), "--plot with --against-actual"),
        (("--against-actual", "--by", "segment"), "ask for --against-actual alone"),
        (("--scenario", "a.json", "--by", "x", "--by", "y"), "use one --by"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tmp_path: Path, asked: tuple[str, ...], found: str
) -> None:
    answer = perennial(tmp_path, "forecast", *asked)
    assert answer.code == 2
    assert found in answer.err


def drawn(body: dict[str, Any], past: dict[int, float | None] | None = None) -> Any:
    from serving.drawings_fan import forecast_figure  # matplotlib takes half a second

    return forecast_figure(body, "EUR", past or {1: None, 3: 1.02, 12: 1.08})


@pytest.mark.ci
def test_the_bars_lead_from_the_opening_to_the_closing(body: dict[str, Any]) -> None:
    from serving.drawings_fan import bridge_bars

    found = bridge_bars(body)
    assert found[0].end == body["opening_mrr"]
    assert found[-1].end == body["closing_mrr"]["mean"]
    for left, right in pairwise(found):
        where = right.end if right.kind == "level" else right.start
        assert left.end == pytest.approx(where)


@pytest.mark.ci
def test_the_fan_says_unit_period_definition_and_target(body: dict[str, Any]) -> None:
    fan, bridge = drawn(body).axes
    said = " ".join([fan.get_title(loc="left"), *(text.get_text() for text in fan.texts)])
    for part in ("40 accounts that pay on 2025-06-30", "p10 to p90", "target 105", "prior-driven"):
        assert part in said, part
    said = " ".join([bridge.get_title(loc="left"), *(text.get_text() for text in bridge.texts)])
    for part in ("2025-06-30 to 2025-09-30, EUR", "80", "rules: preset default"):
        assert part in said, part


@pytest.mark.ci
@pytest.mark.parametrize("target", [None, 1.05])
def test_no_two_labels_of_a_panel_overlap_and_none_is_cut_off(target: float | None) -> None:
    page = drawn(made(target))
    page.canvas.draw()
    for panel in page.axes:
        labels = [*panel.texts, *panel.get_xticklabels(), panel.title, panel.xaxis.label]
        boxes = [(text.get_text(), text.get_window_extent()) for text in labels if text.get_text()]
        for text, box in boxes:
            assert page.bbox.x0 <= box.x0 <= box.x1 <= page.bbox.x1, text
            assert page.bbox.y0 <= box.y0 <= box.y1 <= page.bbox.y1, text
        for (one, a), (other, b) in combinations(boxes, 2):
            assert not a.overlaps(b), (one, other)


@pytest.mark.ci
def test_the_same_forecast_gives_the_same_bytes_in_another_process(
    body: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "body.json").write_text(json.dumps(body))
    code = (
        "import json, sys; from pathlib import Path; from serving.drawings_fan import draw_forecast;"
        "folder = Path(sys.argv[1]); body = json.loads((folder / 'body.json').read_text());"
        "past = {1: None, 3: 1.02, 12: 1.08};"
        "[draw_forecast(body, folder / f'{sys.argv[2]}.{k}', 'EUR', past) for k in ('svg', 'png')]"
    )
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": "."}
        asked = [sys.executable, "-c", code, str(tmp_path), seed]
        subprocess.run(asked, check=True, env=environment, cwd=ROOT)
    for kind in ("svg", "png"):
        first, second = ((tmp_path / f"{n}.{kind}").read_bytes() for n in (1, 2))
        assert first == second
        assert b"<dc:date>" not in first


@pytest.mark.ci
def test_the_command_answers_in_every_shape(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = copied(workspace(tmp_path_factory), tmp_path / "w")
    plain = perennial(folder, "forecast", "--json").body
    cut = perennial(folder, "forecast", "--by", "segment", "--by", "region", "--json").body
    assert {name for part in cut["by_cut"] for name in part["cut"]} == {"segment", "region"}
    assert {key: cut[key] for key in cut if key != "by_cut"} == {
        key: plain[key] for key in plain if key != "by_cut"
    }
    written = perennial(folder, "forecast", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(written.out)))
    assert len(rows) == len(FIGURES) * (1 + len(plain["by_cut"]))
    for name in ("a.svg", "a.png"):
        assert perennial(folder, "forecast", "--horizon", "12", "--plot", name).code == 0
        assert (folder / name).stat().st_size > 10_000


@pytest.mark.ci
def test_what_if_questions_are_answered_beside_the_forecast(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = copied(workspace(tmp_path_factory), tmp_path / "w")
    plain = perennial(folder, "forecast", "--json").body
    (folder / "none.json").write_text(json.dumps({"changes": []}))
    same = perennial(folder, "forecast", "--scenario", "none.json", "--json").body
    assert same["baseline"] == plain == same["scenario"]
    (folder / "less.toml").write_text("[[changes]]\nall = true\nchurn = {multiply = 0.5}\n")
    asked = ("--scenario", "less.toml", "--reach", "1.2")
    less = perennial(folder, "forecast", *asked, "--json").body
    assert less["difference"]["nrr"]["mean"] > 0
    assert less["reach"]["target"] == 1.2
    month = plain["monthly_path"][0]["period_end"][:7]
    (folder / "plan.csv").write_text(f"month,new_mrr\n{month},1000\n")
    both = ("--reach", "1.1", "--new-logo-plan", "plan.csv")
    asked_more = perennial(folder, "forecast", *both, "--json").body
    first = asked_more["new_logo_plan"][0]
    opening = plain["opening_mrr"] * plain["monthly_path"][0]["nrr"]["mean"]
    assert first["closing_mrr"]["mean"] == pytest.approx(opening + 1000)
    assert {key: asked_more[key] for key in plain} == plain
    for shown in (asked, both):
        answer = perennial(folder, "forecast", *shown)
        assert answer.code == 0, answer.err
        assert "What an NRR of" in answer.out
    assert perennial(folder, "forecast", "--scenario", "gone.json").code == 66


@pytest.mark.ci
def test_kept_forecasts_of_past_dates_are_settled_as_metrics_says(
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = copied(workspace(tmp_path_factory), tmp_path / "w")
    last = perennial(folder, "forecast", "--json").body["as_of"]
    year = int(last[:4]) - 1
    dates = [f"{year}-{month:02}-01" for month in (7, 9)]
    for day in dates:
        scored = perennial(folder, "score", "--as-of", day, "--json")
        assert scored.code == 0, scored.err
    told = perennial(folder, "forecast", "--against-actual", "--json").body
    served = SettledAtHand(load(here=folder))
    assert json.loads(json.dumps(served())) == told
    assert served() is served()  # nothing has changed: nothing is read again
    quarter = told["horizons"]["3"]
    assert [row["as_of"] for row in quarter["forecasts"]] == dates
    for horizon, one in told["horizons"].items():
        for row in one["forecasts"]:
            assert list(row["split_points"]) == list(PARTS)
            parts = sum(row["split_points"].values())
            assert parts == pytest.approx(row["error_points"], abs=1e-9)
            money = dict(row["split_mrr"])
            assert money.pop("total") == pytest.approx(sum(money.values()), abs=1e-6)
            opened = pd.Timestamp(row["as_of"]) - pd.Timedelta(days=1)
            window = f"{opened:%Y-%m}:{row['period_end'][:7]}"
            (found,) = perennial(folder, "metrics", "--window", window, "--json").body["windows"]
            assert row["actual_nrr"] == found["nrr"], (horizon, row["as_of"])
            opening = pytest.approx(found["opening_mrr"], abs=0.005)
            assert row["actual_mrr"]["opening_mrr"] == opening
            assert row["in_hindsight"]
    assert quarter["summary"]["forecasts"] == 2
    assert 1.0 <= quarter["summary"]["n_eff"] <= 2.0
    said = page(capsys, monkeypatch, lambda: against_actual(told))
    for part in (dates[0], "published after its period had ended", "n_eff", "mean absolute error"):
        assert part in said


@pytest.mark.parametrize("columns", [100, 80])
def test_a_narrow_page_keeps_names_and_numbers_whole(monkeypatch, capsys, columns):
    """A terminal of eighty columns shows whose row it is, and no number without its end."""
    cut = made()["by_cut"]
    monkeypatch.setenv("COLUMNS", str(columns))
    answered(made(), "USD")
    cells = numbers_of(capsys.readouterr().out)
    for one in cut:
        row = cells[cells.index(one["cut"]["segment"]) :][:7]
        assert row[1] == str(one["cohort_accounts"])
        assert percent(one["nrr"]["mean"]) in row
        assert percent(one["grr"]["mean"]) in row


def test_a_number_without_room_says_so(monkeypatch, capsys):
    """Half a number would be read as one."""
    monkeypatch.setenv("COLUMNS", "12")
    table = figures("", "who", "MRR")
    table.add_row("smb", "1,234,567.89")
    show(table)
    assert "…" in capsys.readouterr().out
