"""The command line: shapes, exit codes, where state lies, and what it says when it refuses."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from serving.schemas import SCORE_COLUMNS
from tests.command_line import ACCOUNTS, LINES, USAGE, copied, made, perennial, workspace

pytestmark = pytest.mark.ci  # one trained workspace for all of them takes a quarter of a minute

WINDOW = [
    "from",
    "to",
    "cut",
    "accounts",
    "opening_mrr",
    "new_mrr",
    "reactivation_mrr",
    "expansion_mrr",
    "contraction_mrr",
    "churned_mrr",
    "fx_mrr",
    "closing_mrr",
    "nrr",
    "grr",
    "organic_nrr",
    "logo_churn",
    "levers",
    "cohort",
]
COHORT = ["opening_mrr", "expansion_mrr", "contraction_mrr", "churned_mrr", "closing_mrr"]
TABLE = ["rows_in", "accepted", "quarantined", "duplicates", "refused", "errors"]
QUANTILES = {"mean", "p05", "p10", "p25", "p50", "p75", "p90", "p95"}
FIGURES = [
    "nrr",
    "grr",
    "expansion_mrr",
    "contraction_mrr",
    "churned_mrr",
    "closing_mrr",
    "logos_lost",
]
FORECAST = [
    *FIGURES,
    *[
        "as_of",
        "horizon_months",
        "period_end",
        "definition",
        "opening_mrr",
        "cohort_accounts",
        "p_target",
    ],
    *["by_cut", "monthly_path", "concentration", "backtest", "confidence", "bridge"],
]


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace(tmp_path_factory)


def has(body: dict, keys: list[str]) -> bool:
    missing = [key for key in keys if key not in body]
    assert not missing
    return True


# --- shapes that scripts rely on (CONTRACT, sections 2 to 4)


def test_help_names_every_command(tmp_path: Path) -> None:
    told = perennial(tmp_path, "--help")
    assert told.code == 0
    for name in [
        "demo",
        "simulate",
        "check",
        "ingest",
        "features",
        "metrics",
        "close",
        "train",
        "score",
        "outreach",
        "forecast",
        "explain",
        "serve",
    ]:
        assert f"  {name} " in told.out


def test_check_and_ingest_tell_rows_and_coverage(book: Path, tmp_path: Path) -> None:
    told = perennial(book, "check", "--json").body
    assert told["snapshot"] is None
    for table in told["tables"].values():
        assert has(table, TABLE)
        kept = table["accepted"] + table["quarantined"] + table["duplicates"] + table["unmatched"]
        assert table["rows_in"] == kept
    assert told["coverage"]["as_of"] == "2026-01-01"
    assert perennial(book, "ingest", "--json").body["status"] == "already_ingested"


@pytest.mark.parametrize("window", ["quarter", "month", "2025-02:2025-06"])
def test_metrics_windows_recompute_from_their_cohort(book: Path, window: str) -> None:
    told = perennial(book, "metrics", "--window", window, "--by", "segment", "--json").body
    assert has(told, ["as_of", "definition", "windows", "warnings"])
    whole, *cuts = told["windows"]
    assert whole["cut"] == {}
    assert {tuple(cut["cut"]) for cut in cuts} == {("segment",)}
    for one in told["windows"]:
        assert has(one, WINDOW)
        assert has(one["cohort"], COHORT)
        flows = one["cohort"]
        opening, closing = flows["opening_micros"], flows["closing_micros"]
        if opening:
            assert one["nrr"] == pytest.approx(closing / opening, abs=1e-12)
        gained = flows["expansion_micros"] - flows["contraction_micros"] - flows["churned_micros"]
        assert opening + gained == closing
    assert sum(cut["opening_mrr"] for cut in cuts) == pytest.approx(whole["opening_mrr"], abs=0.02)
    if ":" in window:
        assert (whole["from"], whole["to"]) == ("2025-02-28", "2025-06-30")


def test_a_window_that_cannot_be_shown_says_why(book: Path) -> None:
    asked = ("metrics", "--as-of", "2025-06-01")
    told = perennial(book, *asked, "--json").body["windows"][0]
    assert told["nrr"] is None
    assert "the ledger starts at" in told["reason"]
    shown = perennial(book, *asked)
    assert shown.code == 0
    assert f"note: {told['reason']}" in shown.out


def test_train_tells_version_gate_and_baselines(book: Path) -> None:
    told = json.loads((book / "trained.json").read_text())
    assert has(told, ["version", "promoted", "gate", "metrics", "baselines", "seconds"])
    assert all(has(each, ["check", "value", "limit", "passed"]) for each in told["gate"])
    assert set(told["metrics"]) == {"churn", "expand", "contract"}


@pytest.mark.fault("B04")
def test_score_publishes_once(book: Path) -> None:
    first = json.loads((book / "scored.json").read_text())
    keys = [
        "run_id",
        "as_of",
        "published",
        "accounts",
        "cells",
        "scores_path",
        "forecast",
        "seconds",
    ]
    assert has(first, keys)
    assert set(first["cells"]) == {a + b for a in "HML" for b in "HML"}
    assert sum(first["cells"].values()) == first["accounts"]
    assert set(first["forecast"]) == {"1", "3", "12"}
    again = perennial(book, "score", "--json").body
    assert (first["published"], again["published"]) == (True, False)
    assert (first["digest"], first["run_id"]) == (again["digest"], again["run_id"])
    assert again["forecast"] == first["forecast"]
    exported = pd.read_parquet(first["scores_path"])
    assert list(exported.columns) == list(SCORE_COLUMNS)
    states = exported[["p_churn", "p_contract", "p_flat", "p_expand"]].sum(axis=1)
    assert states.between(1 - 1e-9, 1 + 1e-9).all()


def test_forecast_is_one_flat_object_per_horizon(book: Path) -> None:
    scored = json.loads((book / "scored.json").read_text())["forecast"]
    for horizon, end in (("1", "2026-01-31"), ("3", "2026-03-31"), ("12", "2026-12-31")):
        told = perennial(book, "forecast", "--horizon", horizon, "--json").body
        assert told == scored[horizon]
        assert has(told, FORECAST)
        assert all(set(told[name]) == QUANTILES for name in FIGURES)
        assert (told["horizon_months"], told["period_end"]) == (int(horizon), end)
        closing = told["bridge"]["closing_mrr"]
        assert closing == pytest.approx(told["closing_mrr"]["mean"])
        assert closing == pytest.approx(told["nrr"]["mean"] * told["opening_mrr"], rel=1e-9)
    assert perennial(book, "forecast", "--json").body == scored["3"]


def test_another_cut_leaves_the_whole_as_it_was_published(book: Path) -> None:
    whole = perennial(book, "forecast", "--json").body
    told = perennial(book, "forecast", "--by", "region", "--json").body
    assert {key for key in whole if whole[key] != told[key]} == {"by_cut"}
    cuts = told["by_cut"]
    assert {tuple(cut["cut"]) for cut in cuts} == {("region",)}
    assert sum(cut["cohort_accounts"] for cut in cuts) == told["cohort_accounts"]
    for name in ("expansion_mrr", "churned_mrr", "closing_mrr"):
        parts = sum(cut[name]["mean"] for cut in cuts)
        assert parts == pytest.approx(told[name]["mean"], rel=1e-9)


def test_the_list_by_csm_capacity_and_format(book: Path) -> None:
    told = perennial(book, "outreach", "--json").body
    items = told["items"]
    assert [row["rank"] for row in items] == list(range(1, len(items) + 1))
    csm = items[0]["csm"]
    own = [row for row in items if row["csm"] == csm]
    assert perennial(book, "outreach", "--csm", csm, "--json").body["items"] == own
    assert perennial(book, "outreach", "--capacity", "10", "--json").body["items"] == items
    for capacity, more in ((2, False), (25, True)):
        ranked = perennial(book, "outreach", "--capacity", str(capacity), "--json").body["items"]
        counts = pd.Series([row["csm"] for row in ranked]).value_counts()
        assert counts.max() <= capacity
        assert (len(ranked) >= len(items)) == more
    as_csv = perennial(book, "outreach", "--format", "csv").out.lstrip("\ufeff")
    rows = list(csv.DictReader(io.StringIO(as_csv)))
    assert [row["account_id"] for row in rows] == [row["account_id"] for row in items]
    assert perennial(book, "outreach", "--format", "json").body == told


def test_a_csm_that_nobody_has_is_said(book: Path) -> None:
    told = perennial(book, "outreach", "--csm", "Nobody", "--json")
    assert (told.code, told.body["items"]) == (0, [])
    assert 'no account of a CSM called "Nobody"' in told.err


def test_explain_adds_up_to_the_probability(book: Path) -> None:
    scores = json.loads((book / "scored.json").read_text())["scores_path"]
    account = pd.read_parquet(scores).sort_values("p_churn")["account_id"].iloc[-1]
    told = perennial(book, "explain", account, "--json").body
    assert list(told) == list(SCORE_COLUMNS)
    for reasons, total in (("reasons_retention", "p_renew"), ("reasons_expansion", "p_expand")):
        effects = sum(reason["effect"] for reason in told[reasons])
        assert effects == pytest.approx(told[total], abs=1e-9)
        assert all(has(r, ["signal", "value", "unit", "effect", "phrase"]) for r in told[reasons])


COMMANDS = (
    "check",
    "ingest",
    "features",
    "metrics",
    "metrics --window month --by segment",
    "score",
    "outreach",
    "forecast",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_person_reads_tables_and_a_pipe_gets_no_progress(book: Path, command: str) -> None:
    told = perennial(book, *command.split())
    assert told.code == 0
    assert told.out.strip()
    assert told.err == ""


# --- exit codes

REFUSED = [
    ("metrics --window soon", 2, "window.unknown"),
    ("metrics --window 2025-12:2025-01", 2, "window.unknown"),
    ("metrics --by shoe_size", 2, "cut.unknown"),
    ("metrics --as-of 2999-01-01", 2, "as_of.future"),
    ("metrics --preset strip-like", 2, "preset.unknown"),
    ("score --as-of 2020-01-01", 65, "score.no_accounts"),
    ("forecast --horizon 2", 2, "usage"),
    ("forecast --by shoe_size", 2, "cut.unknown"),
    ("outreach --format xml", 2, "usage"),
    ("explain nobody", 66, "account.unknown"),
    ("metrics --book nowhere", 66, "feed.missing"),
]


@pytest.mark.parametrize(("command", "code", "name"), REFUSED)
def test_a_refusal_has_its_exit_code_and_one_object(
    book: Path, command: str, code: int, name: str
) -> None:
    told = perennial(book, *command.split(), "--json")
    assert told.code == code
    assert told.body["error"]["code"] == name
    assert told.body["error"]["exit_code"] == code
    assert told.body["error"]["cure"]
    assert "Traceback" not in told.err


@pytest.mark.parametrize("command", ["metrics --as-of 2025-02-30", "outreach --capacity -1", "fly"])
def test_what_the_command_does_not_know_is_usage(book: Path, command: str) -> None:
    told = perennial(book, *command.split())
    assert (told.code, told.out) == (2, "")
    assert "Error" in told.err


@pytest.mark.parametrize("command", ["forecast", "outreach", "explain a"])
def test_before_the_first_run_nothing_is_left_behind(tmp_path: Path, command: str) -> None:
    told = perennial(tmp_path, *command.split())
    assert told.code == 66
    assert "run `perennial score`" in told.err
    assert list(tmp_path.iterdir()) == []


def test_a_bug_is_70_and_says_so(book: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("features.statement.statement", lambda *_: 1 / 0)
    told = perennial(book, "metrics", "--json")
    assert told.code == 70
    assert "this is a bug" in told.err


def test_a_taken_port_is_75(book: Path) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        told = perennial(book, "serve", "--port", str(door.getsockname()[1]))
    assert told.code == 75
    assert "port.busy" in told.err
    assert perennial(book, "serve", "--host", "0.0.0.0").code == 78


@pytest.mark.fault("F14")
def test_a_damaged_snapshot_is_65_and_its_cure_cures(tmp_path: Path) -> None:
    name = perennial(made(tmp_path), "ingest", "--json").body["snapshot"]
    folder = tmp_path / ".perennial" / "snapshots" / name
    asked = ("metrics", "--window", "month", "--json")
    right = perennial(tmp_path, *asked).body
    for damage in ("gone", "PAR1 junk PAR1"):
        file = folder / "subscriptions.parquet"
        if damage == "gone":
            file.unlink()
        else:
            file.write_text(damage)
        told = perennial(tmp_path, *asked)
        assert (told.code, told.body["error"]["code"]) == (65, "snapshot.corrupt")
        assert "run `perennial ingest` again" in told.err
        assert perennial(tmp_path, "ingest", "--json").body["snapshot"] == name
        assert perennial(tmp_path, *asked).body == right
    (folder / "manifest.json").write_text("{")
    assert perennial(tmp_path, *asked).body == right  # the book is simply ingested again


def test_a_home_that_cannot_be_is_73(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "state").write_text("a file")
    told = perennial(tmp_path, "ingest", "--home", "state", "--json")
    assert (told.code, told.body["error"]["code"]) == (73, "cannot_write")


# --- where things lie


def test_the_workspace_is_where_the_toml_is(tmp_path: Path) -> None:
    made(tmp_path / "data")
    assert perennial(tmp_path, "ingest", "--book", "data", "--json").code == 0
    assert (tmp_path / ".perennial" / "snapshots" / "latest").is_file()
    (tmp_path / "data" / "perennial.toml").write_text('[book]\nas_of = "2025-05-01"\n')
    beside = perennial(tmp_path, "ingest", "--book", "data", "--json").body
    assert beside["coverage"]["as_of"] == "2025-05-01"
    assert (tmp_path / "data" / ".perennial" / "snapshots" / "latest").is_file()
    (tmp_path / "perennial.toml").write_text('[book]\npath = "data"\nas_of = "2025-04-01"\n')
    here = perennial(tmp_path, "ingest", "--home", "state", "--json").body
    assert here["coverage"]["as_of"] == "2025-04-01"
    assert (tmp_path / "state" / "snapshots" / "latest").is_file()


def test_mlflow_lies_in_the_workspace(book: Path) -> None:
    assert (book / "mlruns" / "mlflow.db").is_file()
    assert (book / ".perennial" / "perennial.db").is_file()
    assert "/mlflow.db" not in (book / ".perennial").as_posix()


def test_a_changed_book_is_ingested_first_and_it_is_said(tmp_path: Path) -> None:
    made(tmp_path)
    first = perennial(tmp_path, "metrics", "--window", "month", "--json")
    assert first.err.count("the book has changed: ingested as snapshot") == 1
    assert first.body["windows"][0]["closing_mrr"] == 1050.00
    assert perennial(tmp_path, "metrics", "--window", "month", "--json").err == ""
    made(tmp_path, subscriptions=LINES + "a,2025-03-01,,10.00,1\nzz,2025-03-01,,5,1\n")
    changed = perennial(tmp_path, "metrics", "--window", "month", "--json")
    assert changed.body["windows"][0]["closing_mrr"] == 1060.00
    assert "1 rows of money are of accounts that accounts does not have" in changed.err


def test_the_default_date_is_the_day_after_what_happened_last(tmp_path: Path) -> None:
    told = perennial(made(tmp_path / "a"), "check", "--json").body["coverage"]
    assert told["as_of"] == "2025-06-03"  # the last usage is of the second; no ends_on counts
    lines = LINES + "c,2099-01-01,2100-01-01,5,1\n"
    told = perennial(made(tmp_path / "b", subscriptions=lines), "check", "--json").body["coverage"]
    assert told["as_of"] == "2025-06-03"
    months = "account_id,month,mrr\na,2025-03-17,10\nb,2025-03-01,5\n"
    monthly = made(tmp_path / "c", subscriptions=None, usage=None, mrr_by_month=months)
    assert perennial(monthly, "check", "--json").body["coverage"]["as_of"] == "2025-04-01"


def test_lines_that_end_after_the_date_are_told(tmp_path: Path) -> None:
    lines = "account_id,starts_on,ends_on,mrr\na,2024-01-01,2025-01-01,5\nb,2024-01-01,,5\n"
    told = perennial(made(tmp_path, subscriptions=lines, usage=None), "check")
    assert "no line has ended by 2024-01-02, 1 of 2 end later" in told.out
    assert "[book] as_of" in told.out


# --- hostile input, through the command line


def ingested(folder: Path, toml: str = "", **files: str | bytes | None) -> tuple[int, dict]:
    told = perennial(made(folder, toml, **files), "ingest", "--json")
    assert "Traceback" not in told.err
    return told.code, told.body


PARQUET = io.BytesIO()
pd.DataFrame({"account_id": ["a"], "occurred_at": ["2025-06-01"], "feature": ["x"]}).to_parquet(
    PARQUET
)
WHOLE = [
    pytest.param("usage", None, 66, "feed.missing", marks=pytest.mark.fault("I01")),
    pytest.param("usage", "", 65, "feed.empty_file", marks=pytest.mark.fault("I02")),
    pytest.param(
        "subscriptions",
        "account_id,starts_on,mrr\n",
        65,
        "feed.no_rows",
        marks=pytest.mark.fault("I03"),
    ),
    pytest.param(
        "usage__parquet",
        PARQUET.getvalue()[:-9],
        65,
        "parquet.truncated",
        marks=pytest.mark.fault("I05"),
    ),
    pytest.param(
        "usage",
        USAGE.replace("occurred_at", "ocurred_at"),
        65,
        "schema.missing_column",
        marks=pytest.mark.fault("I10"),
    ),
    pytest.param(
        "usage",
        "account_id,occurred_at,feature, Feature\na,2025-06-01,x,y\n",
        65,
        "schema.duplicate_column",
        marks=pytest.mark.fault("I12"),
    ),
    pytest.param(
        "usage",
        "account_id,occurred_at,feature\na,1748772000,x\n",
        65,
        "timestamp.unit",
        marks=pytest.mark.fault("I29"),
    ),
    pytest.param("usage__zip", b"PK", 65, "file.type", marks=pytest.mark.fault("I39")),
]


@pytest.mark.ci
@pytest.mark.parametrize(("name", "text", "code", "found"), WHOLE)
def test_a_refused_file_leaves_the_last_snapshot_serving(
    tmp_path: Path, name: str, text: str | bytes | None, code: int, found: str
) -> None:
    named = '[tables.usage]\nsource = "us*.csv"\n' if text is None else ""
    assert ingested(tmp_path)[0] == 0
    pointer = tmp_path / ".perennial" / "snapshots" / "latest"
    before = pointer.read_text()
    (tmp_path / "usage.csv").unlink()
    files = {"usage": None} | {name: text}
    refused, told = ingested(tmp_path, named, **files)
    assert (refused, told["status"], told["snapshot"]) == (code, "refused", None)
    faults = [fault["code"] for table in told["tables"].values() for fault in table["refusals"]]
    assert faults == [found]
    assert pointer.read_text() == before


def lines_with(*rows: str) -> dict[str, str]:
    return {"subscriptions": LINES + "".join(f"{row}\n" for row in rows)}


def usage_with(*rows: str) -> dict[str, str]:
    return {"usage": USAGE + "".join(f"{row}\n" for row in rows)}


ROWS = [
    pytest.param(
        usage_with("c,2025-06-0"), "usage", 4, None, "row.missing_columns", id="I04",
        marks=pytest.mark.fault("I04"),
    ),
    pytest.param(
        {"accounts": ACCOUNTS.encode() + b"d,D\xff,smb\n"}, "accounts", 5, None,
        "encoding.invalid", id="I15", marks=pytest.mark.fault("I15"),
    ),
    pytest.param(
        usage_with("a,2025-06-01,x,1,2,3"), "usage", 4, None, "row.extra_columns", id="I19",
        marks=pytest.mark.fault("I19"),
    ),
    pytest.param(
        lines_with("a,2025-01-01,,NaN,1"), "subscriptions", 5, "mrr", "number.not_finite",
        id="I22", marks=pytest.mark.fault("I22"),
    ),
    pytest.param(
        lines_with("a,2025-01-01,,1e308,1"), "subscriptions", 5, "mrr", "number.out_of_range",
        id="I23", marks=pytest.mark.fault("I23"),
    ),
    pytest.param(
        lines_with('a,2025-01-01,,"1,234.50",1'), "subscriptions", 5, "mrr", "number.format",
        id="I24", marks=pytest.mark.fault("I24"),
    ),
    pytest.param(
        lines_with("a,2025-01-01,,-5,1"), "subscriptions", 5, "mrr", "number.negative",
        id="I25", marks=pytest.mark.fault("I25"),
    ),
    pytest.param(
        lines_with("a,01/02/2024,,5,1"), "subscriptions", 5, "starts_on", "timestamp.ambiguous",
        id="I27", marks=pytest.mark.fault("I27"),
    ),
    pytest.param(
        usage_with("a,2099-01-01T00:00:00Z,x,1"), "usage", 4, "occurred_at", "timestamp.future",
        id="I29", marks=pytest.mark.fault("I29"),
    ),
    pytest.param(
        lines_with("zz,2025-01-01,,5,1"), "subscriptions", 5, "account_id",
        "key.unknown_account", id="I34", marks=pytest.mark.fault("I34"),
    ),
    pytest.param(
        lines_with("a,2025-03-01,2025-02-01,5,1"), "subscriptions", 5, "ends_on",
        "subscription.interval", id="I35", marks=pytest.mark.fault("I35"),
    ),
]  # fmt: skip


@pytest.mark.ci
@pytest.mark.parametrize(("files", "table", "row", "column", "code"), ROWS)
def test_a_bad_row_is_set_aside_with_its_place_and_cure(
    tmp_path: Path, files: dict, table: str, row: int, column: str | None, code: str
) -> None:
    exit_code, told = ingested(tmp_path, **files)
    report = told["tables"][table]
    assert exit_code == 0
    assert report["quarantined"] == 1
    assert report["rows_in"] == report["accepted"] + 1
    error = report["errors"][0]
    assert (error["file"], error["row"]) == (f"{table}.csv", row)
    assert (error["column"], error["code"]) == (column, code)
    assert error["found"]
    assert error["cure"]
    assert perennial(tmp_path, "ingest", "--strict", "--json").code == 65


@pytest.mark.fault("I31")
def test_of_twice_the_same_row_one_is_kept_and_of_two_versions_none(tmp_path: Path) -> None:
    code, told = ingested(tmp_path, accounts=ACCOUNTS + "a,Ada Ltd,smb\nc,Secret Name,ent\n")
    report = told["tables"]["accounts"]
    assert code == 0
    assert (report["accepted"], report["quarantined"], report["duplicates"]) == (2, 2, 1)
    assert {each["code"] for each in report["errors"]} == {"key.conflict"}
    assert "Secret" not in json.dumps(told)


@pytest.mark.fault("I11")
@pytest.mark.fault("I13")
def test_a_mark_trailing_spaces_and_an_unknown_column_change_nothing(tmp_path: Path) -> None:
    clean = ingested(tmp_path / "a")[1]["snapshot"]
    dressed = "\ufeff" + USAGE.replace("account_id,", "account_id ,").replace("\n", "\r\n")
    assert ingested(tmp_path / "b", usage=dressed)[1]["snapshot"] == clean
    wider = USAGE.replace("count\n", "count,shoe\n").replace("3\n", "3,x\n").replace("1\n", "1,y\n")
    told = ingested(tmp_path / "c", usage=wider)[1]
    assert told["snapshot"] == clean
    assert told["tables"]["usage"]["ignored_columns"] == ["shoe"]


def test_the_form_of_the_files_does_not_change_the_snapshot(tmp_path: Path) -> None:
    plain = ingested(tmp_path / "csv")[1]["snapshot"]
    packed = {f"{n}__csv__gz": gzip.compress(t.encode()) for n, t in
              (("accounts", ACCOUNTS), ("subscriptions", LINES), ("usage", USAGE))}  # fmt: skip
    bare = {"accounts": None, "subscriptions": None, "usage": None}
    assert ingested(tmp_path / "gz", **bare, **packed)[1]["snapshot"] == plain
    columns: dict[str, bytes] = {}
    for name, text in (("accounts", ACCOUNTS), ("subscriptions", LINES), ("usage", USAGE)):
        held = io.BytesIO()
        pd.read_csv(io.StringIO(text), dtype={"mrr": "float64"}).to_parquet(held)
        columns[f"{name}__parquet"] = held.getvalue()
    assert ingested(tmp_path / "parquet", **bare, **columns)[1]["snapshot"] == plain
    folder = made(tmp_path / "folder", usage=None)
    (folder / "usage").mkdir()
    head, *rows = USAGE.splitlines(keepends=True)
    for at, row in enumerate(reversed(rows)):
        (folder / "usage" / f"{at}.csv").write_text(head + row)
    assert perennial(folder, "ingest", "--json").body["snapshot"] == plain


def test_a_misnamed_file_is_told(tmp_path: Path) -> None:
    told = ingested(tmp_path, ticket="ticket_id,account_id,opened_at\n")[1]
    assert told["warnings"] == ['ticket.csv: not read; did you mean "tickets"?']


@pytest.mark.fault("F13")
def test_money_of_another_currency_needs_a_dated_rate(tmp_path: Path) -> None:
    lines = "account_id,starts_on,mrr,currency\na,2025-01-01,5,EUR\nb,2025-01-01,7,USD\n"
    made(tmp_path, '[book]\ncurrency = "EUR"\n', subscriptions=lines)
    told = perennial(tmp_path, "metrics", "--window", "month", "--json")
    assert (told.code, told.body["error"]["code"]) == (65, "fx.missing")
    quiet = perennial(tmp_path, "metrics", "--window", "month")
    assert (quiet.code, quiet.out) == (65, "")
    assert "USD/EUR" in told.body["error"]["message"]
    assert "2025-01-01" in told.body["error"]["message"]


@pytest.mark.ci
@pytest.mark.fault("F02", partly=True)
@pytest.mark.fault("F03", partly=True)
@pytest.mark.fault("T01")
def test_a_tiny_book_without_usage_with_strange_names_runs_whole(tmp_path: Path) -> None:
    names = ["شركة الأمل 🚀", '"=HYPERLINK(1)"', "<img onerror=x>", "日本語"]
    accounts = "account_id,name\n" + "".join(f"a{n},{names[n % 4]}\n" for n in range(12))
    lines = "account_id,starts_on,ends_on,mrr,seats\n" + "".join(
        f"a{n},2024-0{1 + n % 6}-01,{'2024-11-01' if n == 3 else ''},{100 * (n % 5)},{n % 3}\n"
        for n in range(12)
    )
    toml = '[book]\nas_of = "2025-01-17"\ntimezone = "Asia/Tokyo"\nfiscal_year_starts = 4\n'
    made(tmp_path, toml, accounts=accounts, subscriptions=lines, usage=None)
    trained = perennial(tmp_path, "train", "--json")
    assert trained.code == 0, trained.err
    assert {one["rung"] for one in trained.body["metrics"].values()} == {"prior-driven"}
    scored = perennial(tmp_path, "score", "--json").body
    assert scored["as_of"] == "2025-01-17"
    assert scored["accounts"] == 8  # three pay nothing, one left
    told = perennial(tmp_path, "forecast", "--json").body
    assert told["confidence"] == "thin"
    assert any("fewer than ten churn events" in why for why in told["confidence_reasons"])
    assert perennial(tmp_path, "explain", "a4").code == 0
    assert perennial(tmp_path, "outreach").code == 0


NOBODY = [
    ("free", "account_id,starts_on,mrr\na,2024-01-01,0\n"),
    ("trial", "account_id,starts_on,mrr,kind\na,2024-01-01,9,trial\n"),
    ("future", "account_id,starts_on,mrr\na,2099-01-01,9\n"),
    ("gone", "account_id,starts_on,ends_on,mrr\na,2024-01-01,2024-06-01,9\n"),
]


@pytest.mark.ci
@pytest.mark.parametrize(("name", "lines"), NOBODY)
def test_a_book_in_which_nobody_pays_says_so(tmp_path: Path, name: str, lines: str) -> None:
    made(tmp_path, subscriptions=lines)
    assert perennial(tmp_path, "check").code == 0
    assert perennial(tmp_path, "metrics").code == 0
    assert perennial(tmp_path, "metrics", "--window", "month", "--json").code == 0
    if name != "gone":
        trained = perennial(tmp_path, "train", "--json")
        assert (trained.code, trained.body["error"]["code"]) == (65, "history.none")
        assert trained.body["error"]["cure"]
    assert perennial(tmp_path, "score").code == 66


# --- killed


@pytest.mark.ci
@pytest.mark.fault("B01")
def test_killed_at_any_moment_the_old_run_serves_and_a_rerun_publishes_the_same(
    book: Path, tmp_path: Path
) -> None:
    begun = time.monotonic()
    asked = [sys.executable, "-c", "from serving.cli import main; main()", "score", "--json"]
    reference = copied(book, tmp_path / "reference")
    (reference / "perennial.toml").write_text(_later(book))
    whole = subprocess.run(asked, cwd=reference, capture_output=True, check=True)
    took, wanted = time.monotonic() - begun, json.loads(whole.stdout)
    old = json.loads((book / "scored.json").read_text())["run_id"]
    assert wanted["published"]
    assert wanted["run_id"] != old
    draw = random.Random(0)
    interrupted = 0
    for attempt in range(12):
        folder = copied(book, tmp_path / str(attempt))
        (folder / "perennial.toml").write_text(_later(book))
        process = subprocess.Popen(asked, cwd=folder, stdout=subprocess.DEVNULL)
        time.sleep(draw.uniform(0.5, 1.0) * took if attempt % 4 else draw.uniform(0, took))
        process.kill()
        interrupted += process.wait() != 0
        serving = perennial(folder, "outreach", "--json").body["run_id"]
        assert serving in (old, wanted["run_id"])
        again = perennial(folder, "score", "--json").body
        assert (again["run_id"], again["digest"]) == (wanted["run_id"], wanted["digest"])
        assert perennial(folder, "outreach", "--json").body["run_id"] == wanted["run_id"]
        exports = folder / ".perennial" / "exports"
        assert sorted(each.name for each in exports.iterdir()) == sorted([old, wanted["run_id"]])
        same = (reference / ".perennial" / "exports" / wanted["run_id"]).iterdir()
        for file in same:
            copy = exports / wanted["run_id"] / file.name
            assert copy.read_bytes() == file.read_bytes()
    assert interrupted >= 4


def _later(book: Path) -> str:
    """The book's settings with another capacity: a new input of the same date."""
    return (book / "perennial.toml").read_text() + "per_csm = 4\n"
