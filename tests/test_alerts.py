"""What is news, what it says, and where it may never go."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.configuration import read_section
from features.faults import ConfigurationRefused
from serving.alerts.addresses import Refused, permitted, resolved
from serving.alerts.news import Past, alerts
from serving.alerts.settings import AlertSettings, Sink
from serving.alerts.wording import Message, message, slack
from serving.settings import load

DAY = date(2025, 7, 1)
FILE = Sink(name="cs", kind="file", path="out")
HARD = {"trigger": "notice_given", "side": "retention", "level": "hard", "evidence": "notice given"}
SLACK = '[[alerts.sinks]]\nname = "cs"\nkind = "slack"\nurl = "env:HOOK"\n'


def row(account: str, cell: str = "HM", *triggers: Any, **changes: Any) -> dict[str, Any]:
    held = {"account_id": account, "name": f"Name {account}", "csm": "Ada", "mrr": 100.0}
    held |= {"currency": "EUR", "cell": cell, "triggers": list(triggers)}
    return held | {"moved_because": ["usage fell"], "action": "Engage"} | changes


def past(*runs: dict[str, Any], **changes: Any) -> Past:
    told = {"runs": list(runs), "model_digest": "m", "current": DAY - timedelta(7)}
    return Past(**told | changes)


def news(rows: list[dict[str, Any]], before: Past, **changes: Any) -> list[dict[str, Any]]:
    chosen = AlertSettings(**{"sinks": (FILE,)} | changes)
    told = alerts(rows, before, chosen, as_of=DAY, today=DAY, model_digest="m")
    return list(told)


def texts(told: dict[str, Any]) -> list[str]:
    return [fact["text"] for item in told["body"]["items"] for fact in item["facts"]]


def test_a_move_and_a_trigger_that_appeared_are_told_in_one_message() -> None:
    act = {"trigger": "gate_hits", "level": "act", "evidence": "4 hits"}
    told = news([row("a", "LM", HARD, act), row("b")], past({"a": ("HM", []), "b": ("HM", [])}))
    assert [one["account_id"] for one in told] == ["a"]
    assert texts(told[0]) == [
        "notice given: notice given",
        "moved from HM to LM (retention High to Low): usage fell",
        "gate hits: 4 hits",
    ]


def test_a_trigger_that_only_rose_is_news_and_one_that_fell_is_not() -> None:
    low = {"trigger": "limit_near", "level": "attention", "evidence": "82 %"}
    high = low | {"level": "act", "evidence": "93 %"}
    before = past({"a": ("HM", [low]), "b": ("HM", [high])})
    told = news([row("a", "HM", high), row("b", "HM", low)], before)
    assert [texts(one) for one in told] == [["limit near: 93 %"]]


@pytest.mark.fault("A07")
def test_what_only_comes_back_is_not_told_again() -> None:
    flapping = past({"a": ("MM", [])}, {"a": ("HM", [HARD])})
    assert news([row("a", "HM", HARD)], flapping) == []
    assert news([row("a", "LM")], flapping) != []
    assert news([row("a", "HM")], flapping, dwell_runs=1) != []


@pytest.mark.fault("A08")
def test_many_moves_are_one_digest_that_doubts_the_data() -> None:
    before = past({f"a{n:03}": ("HM", []) for n in range(100)})
    rows = [row(f"a{n:03}", "LM" if n < 40 else "HM") for n in range(100)]
    told = news(rows, before)
    assert [one["kind"] for one in told] == ["digest"]
    assert told[0]["body"]["tags"] == ["40 of 100 accounts changed cell: look at the data first"]
    assert len(told[0]["body"]["items"]) == 40


def test_a_busy_week_is_one_digest_for_each_sink_of_its_own_accounts() -> None:
    before = past({f"a{n:03}": ("HM", []) for n in range(900)})
    rows = [
        row(f"a{n:03}", "LM" if n < 30 else "HM", csm="Ben" if n % 2 else "Ada") for n in range(900)
    ]
    bens = Sink(name="ben", kind="file", path="ben", csms=("Ben",))
    told = news(rows, before, sinks=(FILE, bens))
    assert [(one["sink"], one["kind"]) for one in told[:1]] == [("cs", "digest")]
    assert len(told) == 16
    assert {one["body"]["items"][0]["csm"] for one in told[1:]} == {"Ben"}


@pytest.mark.fault("A09")
@pytest.mark.fault("B06", partly=True)
def test_nobody_is_told_of_a_first_run_or_a_backfill_and_other_models_are_tagged() -> None:
    rows, before = [row("a", "LL", HARD)], {"a": ("HH", [])}
    assert news(rows, past(model_digest=None)) == []
    assert news(rows, past(before, current=DAY + timedelta(1))) == []
    settings, late = AlertSettings(sinks=(FILE,)), DAY + timedelta(36)
    asked = {"as_of": DAY, "model_digest": "m"}
    assert alerts(rows, past(before), settings, today=late, **asked) == ()
    for changes in ({"model_digest": "other"}, {"revised": True}):
        told = news(rows, past(before, **changes))
        assert [one["kind"] for one in told] == ["digest"]
        assert len(told[0]["body"]["tags"]) == 1


def test_small_accounts_are_told_of_for_hard_events_alone() -> None:
    before = past({"a": ("HM", []), "b": ("HM", [])})
    told = news([row("a", "LM"), row("b", "LM", HARD)], before, min_mrr=1000)
    assert [one["account_id"] for one in told] == ["b"]


def test_a_crm_gets_every_account_in_batches_also_of_a_first_run() -> None:
    crm = Sink(name="crm", kind="crm", url="env:CRM")
    told = news([row(f"a{n:03}") for n in range(450)], Past(), sinks=(crm,))
    assert [len(one["body"]["records"]) for one in told] == [200, 200, 50]


@settings(max_examples=10)
@given(st.permutations(range(12)))
def test_the_order_of_rows_changes_nothing(order: list[int]) -> None:
    rows = [row(f"a{n}", "LM" if n % 2 else "HL", mrr=float(n % 5)) for n in range(12)]
    before = past({f"a{n}": ("HM", []) for n in range(12)})
    assert news([rows[n] for n in order], before) == news(rows, before)


@pytest.mark.fault("A06")
@settings(max_examples=20)
@given(st.text(max_size=20))
def test_no_name_calls_a_channel_or_breaks_a_line(tail: str) -> None:
    name = f"<!channel> <http://evil|R&D> @here\r\nBcc: x\u202e{tail}"
    before = past({"a": ("HM", [])})
    body = news([row("a", "LM", name=name)], before)[0]["body"]
    told = message("account", body, AlertSettings(link_base="https://p.example/x"))
    sent = slack(told)
    text = sent["text"] + sent["blocks"][0]["text"]["text"]
    assert "<" not in text
    assert ">" not in text
    assert "&lt;!channel&gt;" in text
    assert "@here" not in text
    assert sent["blocks"][0]["text"]["type"] == "plain_text"
    assert not set("\r\n\u202e\u2028") & set(told.title)
    orjson.dumps(sent)


@pytest.mark.fault("A10")
@pytest.mark.parametrize("link", [None, "https://p.example"])
def test_a_long_message_is_cut_counted_and_leads_on(link: str | None) -> None:
    before = past({f"a{n:03}": ("HM", []) for n in range(300)})
    rows = [row(f"a{n:03}", "LM", name="&" * 200) for n in range(300)]
    body = news(rows, before)[0]["body"]
    told = message("digest", body, AlertSettings(link_base=link))
    assert len(slack(told)["text"]) <= 3000
    shown = sum(line.startswith("- &") for line in told.lines)
    assert 0 < shown < 20
    where = "read on" if link else "see `perennial explain` and the dashboard"
    assert told.lines[-1] == f"… and {300 - shown} more: {where}"


PRIVATE = [
    "127.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::]",
    "[64:ff9b::7f00:1]", "0x7f000001", "2130706433", "localhost.", "localhost", "127.1",
    "0177.0.0.1", "a.localhost", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1", "0.0.0.0",
    "[::]", "[fe80::1]", "[fc00::1]", "[2002:7f00:1::]", "[::127.0.0.1]", "224.0.0.1", "relay",
    "metadata.google.internal", "127.0.0.1.", "[::ffff:a9fe:a9fe]", "[fec0::1]", "[3fff::1]",
    "[64:ff9b:1::a00:1]", "[::ffff:0:a00:1]", "192.0.0.8",
]  # fmt: skip


@pytest.mark.fault("A05")
@pytest.mark.parametrize("host", PRIVATE)
def test_an_address_that_is_not_public_is_refused_when_it_is_read(host: str) -> None:
    settings = read_section(
        AlertSettings, {"sinks": [{"name": "cs", "kind": "slack", "url": "env:HOOK"}]}, "[alerts]"
    )
    with pytest.raises(ConfigurationRefused) as caught:
        settings.refuse_private({"HOOK": f"https://{host}/T0/s3cret"})
    assert caught.value.exit_code == 78
    assert "s3cret" not in str(caught.value)


@pytest.mark.fault("A05")
def test_a_name_that_leads_to_a_private_address_is_refused_when_it_is_asked() -> None:
    mixed = lambda host, port: ["93.184.216.34", "127.0.0.1"]  # noqa: E731
    permitted("hooks.example.com")
    with pytest.raises(Refused):
        resolved("hooks.example.com", 443, resolve=mixed)
    assert resolved("hooks.example.com", 443, ["127.0.0.0/8"], resolve=mixed) == mixed("", 0)
    assert resolved("hooks.example.com", 443, ["hooks.example.com"], resolve=mixed)
    with pytest.raises(Refused):
        resolved("hooks.example.com", 443, ["other.example.com"], resolve=mixed)


BAD = [
    ('url = "https://hooks.slack.com/T0/s3cret"', "it is a secret"),
    ('url = "env:HOOK"\ntoken = "s3cret"', "it is a secret"),
    ('url = "env:HOOK"\npath = "x"', "kind file"),
    ('url = "env:HOOK"\nurk = "s3cret"', "unknown key"),
    ('url = "env:HOOK"\n[alerts]\nallow = ["http://x/"]', ""),
]


@pytest.mark.fault("A11")
@pytest.mark.fault("C12")
@pytest.mark.parametrize(("text", "said"), BAD)
def test_a_secret_in_the_file_is_refused_and_not_repeated(
    tmp_path: Any, text: str, said: str
) -> None:
    (tmp_path / "perennial.toml").write_text(
        f'[[alerts.sinks]]\nname = "cs"\nkind = "slack"\n{text}\n'
    )
    with pytest.raises(ConfigurationRefused) as caught:
        load(here=tmp_path)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_an_address_that_the_environment_holds_is_looked_at_on_loading(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "perennial.toml").write_text(SLACK)
    assert load(here=tmp_path).alerts.sinks[0].kind == "slack"  # not set: read when it is sent
    for url in ("http://127.0.0.1/s3cret", "http://example.com/s3cret", "file:///s3cret", "s3cret",
                "https://user:s3cret@example.com/", "https://example.com:x/s3cret"):  # fmt: skip
        monkeypatch.setenv("HOOK", url)
        with pytest.raises(ConfigurationRefused, match=r"alerts\.address") as caught:
            load(here=tmp_path)
        assert "s3cret" not in str(caught.value)
    (tmp_path / "perennial.toml").write_text('[alerts]\nallow = ["127.0.0.1"]\n' + SLACK)
    monkeypatch.setenv("HOOK", "http://127.0.0.1/s3cret")
    assert load(here=tmp_path).alerts.allow == ("127.0.0.1",)


def test_a_test_message_says_that_nothing_has_happened() -> None:
    assert isinstance(message("test", {}, AlertSettings()), Message)
