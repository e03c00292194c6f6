"""The commands of what leaves the house, and that news is told against what the store holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta

import orjson
import pandas as pd
import pytest
import sqlalchemy as sa

from serving import claiming, outbox, tables
from serving.alerts.past import news
from serving.alerts.settings import AlertSettings, Sink
from serving.crm import FIELDS, crm_csv, records
from serving.database import writing
from serving.store import Store
from tests import own_postgres
from tests.command_line import perennial
from tests.example_publication import NOW, example
from tests.receivers import Web, web_server

TOML = """[alerts]
allow = ["127.0.0.1"]
[[alerts.sinks]]
name = "cs"
kind = "slack"
url = "env:ALERTS_HOOK"
[[alerts.sinks]]
name = "log"
kind = "file"
path = "alerts.jsonl"
"""
SINKS = AlertSettings(sinks=(Sink(name="log", kind="file", path="alerts.jsonl"),))
DAY = date(2025, 7, 1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store.open(tmp_path_factory.mktemp("work") / ".perennial")
    store.publish(example(DAY - timedelta(7)), now=NOW - timedelta(7))
    return store


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    with web_server(Web()) as web:
        monkeypatch.setenv("ALERTS_HOOK", web.url)
        yield web


def moved() -> pd.DataFrame:
    scores = example(DAY).scores.copy()
    scores.loc[scores.account_id == "a03", "cell"] = "LM"
    return scores


def asked(store: Store, scores: pd.DataFrame, **changes: object) -> list[str | None]:
    told = news(
        store.engine, scores, SINKS, **{"as_of": DAY, "today": DAY, "model_digest": "m1"} | changes
    )  # type: ignore[arg-type]
    return [one["account_id"] for one in told]


@pytest.mark.fault("A09")
def test_news_is_told_against_the_run_before(store: Store) -> None:
    assert asked(store, moved()) == ["a03"]
    assert asked(store, example(DAY).scores) == []
    assert asked(store, moved(), model_digest="m2") == [None]
    assert asked(store, moved(), as_of=DAY - timedelta(14)) == []
    assert asked(store, moved().sample(frac=1, random_state=1)) == ["a03"]


@pytest.mark.ci
def test_what_is_queued_is_sent_once_listed_and_tried_again(store: Store, web: Web) -> None:
    folder = store.home.parent
    (folder / "perennial.toml").write_text(TOML)
    scores = moved()
    settings = AlertSettings(sinks=(Sink(name="cs", kind="slack", url="env:ALERTS_HOOK"),))
    told = news(store.engine, scores, settings, as_of=DAY, today=DAY, model_digest="m1")
    store.publish(example(DAY, alerts=told, snapshot_id="s2"), now=NOW)
    web.answers = [(404, {}, b"no_service"), (200, {}, b"ok")]
    failed = perennial(folder, "alerts", "send", "--json")
    assert failed.code == 69
    assert failed.body["dead"] == 1
    listed = perennial(folder, "alerts", "list", "--json").body
    assert [one["said"] for one in listed["deliveries"]] == ["HTTP 404"]
    assert "given up" in perennial(folder, "alerts", "list").out
    assert perennial(folder, "alerts", "retry", "--json").body["retried"] == 1
    sent = perennial(folder, "alerts", "send", "--json")
    assert (sent.code, sent.body["sent"]) == (0, 1)
    again = perennial(folder, "alerts", "send", "--json")
    assert (again.code, again.body["deliveries"]) == (0, [])
    assert "moved from HM to LM" in web.sent[1][1]["text"]
    assert "s3cret" not in failed.out + failed.err + sent.out + listed.__repr__()
    assert perennial(folder, "alerts", "send", "x").code == 2


def test_a_test_message_goes_to_every_sink(store: Store, web: Web) -> None:
    folder = store.home.parent
    (folder / "perennial.toml").write_text(TOML)
    done = perennial(folder, "alerts", "test", "--json")
    assert [one["state"] for one in done.body["deliveries"]] == ["sent", "sent"]
    assert "Nothing has happened" in web.sent[0][1]["text"]
    assert orjson.loads((folder / "alerts.jsonl").read_bytes())["kind"] == "test"
    (folder / "perennial.toml").write_text("")
    assert perennial(folder, "alerts", "test").code == 78


@pytest.mark.parametrize("crm", ["salesforce", "hubspot"])
def test_a_run_is_written_for_a_crm(store: Store, crm: str) -> None:
    folder = store.home.parent
    (folder / "perennial.toml").write_text("")
    done = perennial(folder, "export", "crm", "--for", crm, "--out", "crm.csv", "--json")
    assert done.body["accounts"] == 12
    rows = list(csv.DictReader(io.StringIO((folder / "crm.csv").read_bytes().decode())))
    key = {"salesforce": "Perennial_Account_Id__c", "hubspot": "perennial_account_id"}[crm]
    assert [row[key] for row in rows] == [f"a{n:02}" for n in range(1, 13)]
    assert perennial(folder, "export", "crm", "--for", crm, "--out", "no/crm.csv").code == 73


RISKY = ["=1+1", "+cmd", "-cmd", "@x", "\t=1", "\r=1", "\n=1", "\x00=1", "＝1", " =1", "|x", "%0"]


@pytest.mark.fault("D03")
@pytest.mark.parametrize("risky", RISKY)
def test_no_text_is_a_formula_and_negatives_stay_numbers(risky: str) -> None:
    row = dict.fromkeys(field.column for field in FIELDS)
    row |= {"account_id": "a", "mrr": -12.5, "action": risky, "reasons_retention": [risky]}
    text, left_out = crm_csv(
        [row, row | {"account_id": risky}, row | {"account_id": "-7"}], "hubspot"
    )
    rows = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
    assert left_out == [risky]
    assert [one["perennial_account_id"] for one in rows] == ["a", "-7"]
    assert rows[0]["perennial_action"].startswith("'")
    assert rows[0]["perennial_reasons_retention"].startswith("'")
    assert float(rows[0]["perennial_mrr"]) == -12.5


def test_a_crm_hears_of_reasons_and_not_of_what_is_left_beside_them() -> None:
    lines = (("usage_wau", "usage fell"), ("other", "all other signals together"))
    lines += (("calendar", "what its contract says"), ("leaves_first", "it may leave first"))
    reasons = [{"signal": signal, "phrase": said} for signal, said in lines]
    row = dict.fromkeys(field.column for field in FIELDS)
    told = records([row | {"reasons_retention": reasons, "reasons_expansion": reasons[1:]}])[0]
    assert (told["reasons_retention"], told["reasons_expansion"]) == ("usage fell", None)


@pytest.mark.ci
@pytest.mark.fault("A16")
@pytest.mark.skipif(own_postgres.programs() is None, reason="no PostgreSQL here")
def test_on_a_server_a_claimed_row_is_skipped_and_a_channel_keeps_its_pace() -> None:
    with own_postgres.server() as url:
        engine = sa.create_engine(url.set(drivername="postgresql+psycopg"))
        mine = (tables.outbox, tables.channels, tables.told)
        tables.metadata.create_all(engine, tables=mine)
        body = {"as_of": "2025-07-01", "tags": [], "items": []}
        with writing(engine) as connection:
            for n, sink in enumerate(("one", "one", "two")):
                item = {"account_id": f"a{n}", "facts": [{"key": "k", "level": "red", "text": "t"}]}
                told = {"sink": sink, "kind": "account", "account_id": f"a{n}", "quiet_days": 7}
                outbox.queue(connection, "r", [told | {"body": body | {"items": [item]}}], NOW)
        with engine.begin() as first, engine.begin() as second:
            claimed = [claiming.claim(first, NOW)]
            second.execute(sa.text("SET LOCAL lock_timeout = '2s'"))
            skipped = sa.select(tables.outbox.c.account_id).where(tables.outbox.c.sink == "two")
            locked = second.scalars(skipped.with_for_update(skip_locked=True)).all()
            assert locked == ["a2"]
        with writing(engine) as connection:
            claimed.append(claiming.claim(connection, NOW))
            claimed.append(claiming.claim(connection, NOW))
        engine.dispose()
    assert [one and one.account_id for one in claimed] == ["a0", "a2", None]
