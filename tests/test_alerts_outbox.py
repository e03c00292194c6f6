"""The outbox and its sendings: once each, in time, never to the wrong place, nothing lost."""

from __future__ import annotations

import logging
import os
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy as sa

from serving import claiming, outbox, tables
from serving.alerts.draining import Drained, drain
from serving.alerts.line import post
from serving.alerts.outcome import Outcome
from serving.alerts.past import undelivered
from serving.alerts.sending import Post
from serving.alerts.settings import AlertSettings, Sink
from serving.database import reading, writing
from serving.delivery import Delivery
from serving.store import Store
from tests.example_publication import example
from tests.receivers import Mailbox, Web, mail_server, web_server

NOW = datetime(2025, 7, 1, 6, 30, tzinfo=UTC)
HOOK = Sink(name="cs", kind="slack", url="env:HOOK")
SETTINGS = AlertSettings(sinks=(HOOK,), allow=("127.0.0.1",), seconds=2)


@dataclass
class Clock:
    """A clock that only waiting moves."""

    at: datetime = NOW
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.at

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.at += timedelta(seconds=seconds)


@dataclass
class Desk:
    """An outbox, a receiver, and a clock."""

    engine: sa.Engine
    web: Web
    clock: Clock
    post: Post

    def queue(self, *accounts: str, run: str = "r1", **changes: Any) -> None:
        with writing(self.engine) as connection:
            outbox.queue(connection, run, [alert(a, **changes) for a in accounts], self.clock.at)

    def drain(self, patience: float = 0.0, **changes: Any) -> Drained:
        post = replace(self.post, **changes)
        return drain(
            self.engine, post, clock=self.clock.now, pause=self.clock.pause, patience=patience
        )

    def rows(self) -> list[Delivery]:
        with reading(self.engine) as connection:
            return sorted(outbox.listed(connection), key=lambda one: one.account_id or "")

    def states(self) -> dict[str, int]:
        with reading(self.engine) as connection:
            return {k: n for k, n in outbox.counts(connection).items() if n}


def alert(account: str | None, *keys: str, sink: str = "cs", quiet: int = 7) -> dict[str, Any]:
    facts = [{"key": key, "level": "red", "text": f"{key} of {account}"} for key in keys or ("k",)]
    items = [
        {"account_id": one, "name": f"Name {one}", "csm": "Ada", "mrr": 9.0, "currency": "EUR",
         "action": "Engage", "facts": facts}
        for one in ([account] if account else ["a", "b"])
    ]  # fmt: skip
    body = {"as_of": "2025-07-01", "tags": [], "items": items}
    kind = "account" if account else "digest"
    return {"sink": sink, "kind": kind, "account_id": account, "quiet_days": quiet, "body": body}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store.open(tmp_path_factory.mktemp("alerts") / "home")


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Iterator[Desk]:
    with writing(store.engine) as connection:
        for table in (tables.outbox, tables.channels, tables.told):
            connection.execute(sa.delete(table))
    with web_server(Web()) as web:
        post = Post(SETTINGS, tmp_path, environment={"HOOK": web.url})
        yield Desk(store.engine, web, Clock(), post)


@pytest.mark.fault("A01")
def test_a_message_of_a_process_that_died_is_sent_later_with_the_same_id(desk: Desk) -> None:
    desk.queue("a")
    with writing(desk.engine) as connection:
        dead = claiming.claim(connection, desk.clock.at)
    assert dead is not None
    assert desk.drain().deliveries == ()
    desk.clock.pause(claiming.CLAIM_SECONDS)
    assert desk.drain().to_json()["sent"] == 1
    assert desk.web.sent[0][0]["idempotency-key"] == dead.delivery_id
    assert desk.drain().deliveries == ()
    assert len(desk.web.sent) == 1


@pytest.mark.fault("A02")
def test_a_busy_receiver_is_waited_for_and_nothing_is_dropped(desk: Desk) -> None:
    desk.web.answers = [(200, {}, b""), (429, {"Retry-After": "30"}, b""), (200, {}, b"")]
    desk.queue("a", "b", "c")
    first = desk.drain()
    assert first.to_json()["retrying"] == 1
    assert first.failed
    assert desk.states() == {"sent": 1, "waiting": 2}
    assert desk.clock.waits == [pytest.approx(1.0)]
    second = desk.drain(patience=60)
    assert second.counts["sent"] == 3
    assert sum(desk.clock.waits) >= 31
    assert [one.tries for one in desk.rows()] == [1, 1, 1]


@pytest.mark.fault("A03", partly=True)  # the dashboard has no badge yet
def test_what_fails_is_tried_eight_times_in_a_day_and_then_given_up(desk: Desk) -> None:
    desk.web.answers = [(500, {}, b"")]
    desk.queue("a")
    while desk.states() == {"waiting": 1}:
        desk.drain()
        desk.clock.at = max(datetime.fromisoformat(desk.rows()[0].due_at), desk.clock.at)
    assert len(desk.web.sent) == 8
    assert desk.clock.at - NOW < timedelta(hours=24)
    assert desk.states() == {"dead": 1}
    assert desk.rows()[0].said == "HTTP 500"
    assert undelivered(desk.engine) == ["alerts given up: 1 (`perennial alerts list` says why)"]
    desk.web.answers = [(200, {}, b"")]
    with writing(desk.engine) as connection:
        assert claiming.retry(connection, desk.clock.at, [desk.rows()[0].delivery_id]) == 1
    assert desk.drain().counts["sent"] == 1


@pytest.mark.fault("A04")
@pytest.mark.parametrize("status", [400, 403, 404, 410])
def test_what_can_never_arrive_is_given_up_at_once(desk: Desk, status: int) -> None:
    desk.web.answers = [(status, {}, b"channel_is_archived s3cret")]
    desk.queue("a")
    assert desk.drain().to_json()["dead"] == 1
    assert desk.rows()[0].said == f"HTTP {status}"


@pytest.mark.fault("A05")
def test_no_redirect_is_followed_and_no_private_address_is_reached(desk: Desk) -> None:
    with web_server(Web()) as inside:
        desk.web.answers = [(302, {"Location": inside.url}, b"")]
        desk.queue("a")
        assert desk.drain().to_json()["dead"] == 1
        port = desk.web.port
        desk.queue("b", run="r2")
        rebound = {
            "settings": SETTINGS.model_copy(update={"allow": ()}),
            "environment": {"HOOK": f"https://hooks.example.com:{port}/s3cret"},
            "resolve": lambda host, port: ["127.0.0.1"],
        }
        desk.clock.pause(2)
        assert desk.drain(**rebound).to_json()["dead"] == 1
        assert inside.sent == []
    assert len(desk.web.sent) == 1
    assert desk.rows()[1].said == "alerts.address: hooks.example.com is not a public address"


@pytest.mark.fault("A07")
def test_one_message_for_an_account_in_a_week_and_what_comes_meanwhile_waits(desk: Desk) -> None:
    def days(count: int) -> None:
        desk.clock.at += timedelta(days=count)

    desk.queue("a")
    desk.drain()
    days(1)
    desk.queue("a", run="r2")  # the same fact: told already
    assert desk.states() == {"sent": 1}
    with writing(desk.engine) as connection:
        outbox.queue(connection, "r3", [alert("a", "k", "new")], desk.clock.at)
    days(1)
    with writing(desk.engine) as connection:
        outbox.queue(connection, "r4", [alert("a", "newer")], desk.clock.at)
    assert desk.drain().deliveries == ()
    assert desk.states() == {"sent": 1, "merged": 1, "waiting": 1}
    days(5)
    assert desk.drain().counts["sent"] == 2
    assert "new of a\n- newer of a" in desk.web.sent[1][1]["text"]
    assert "k of a" not in desk.web.sent[1][1]["text"]


@pytest.mark.fault("A07", partly=True)
def test_a_weekly_job_that_begins_an_hour_earlier_still_tells_its_news(desk: Desk) -> None:
    desk.queue("a")
    desk.drain()
    desk.clock.at += timedelta(days=7, hours=-1)  # summer time has begun
    with writing(desk.engine) as connection:
        outbox.queue(connection, "r2", [alert("a", "new")], desk.clock.at)
    assert desk.drain().counts["sent"] == 2


@pytest.mark.fault("A11")
@pytest.mark.fault("U14", partly=True)
def test_a_secret_is_nowhere(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    desk.web.answers = [(500, {}, desk.web.url.encode()), (404, {}, desk.web.url.encode())]
    desk.queue("a", "b")
    told = desk.drain(patience=5)
    shown = [orjson.dumps(told.to_json()).decode(), repr(told), repr(desk.post), caplog.text]
    with closing(desk.engine.raw_connection()) as raw:
        assert raw.driver_connection is not None
        shown += list(raw.driver_connection.iterdump())
    assert not [text for text in shown if "s3cret" in text]


@pytest.mark.fault("A12")
@pytest.mark.parametrize(("behaviour", "state"), [("drip", "waiting"), ("flood", "sent")])
def test_a_receiver_that_never_ends_holds_nobody(desk: Desk, behaviour: str, state: str) -> None:
    desk.web.behaviour = behaviour
    desk.queue("a")
    settings = SETTINGS.model_copy(update={"seconds": 0.2})
    begun = time.monotonic()
    desk.drain(settings=settings)
    assert time.monotonic() - begun < 1.5
    assert desk.rows()[0].state == state


@pytest.mark.fault("A13")
def test_a_certificate_that_nobody_vouches_for_is_not_trusted(desk: Desk, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -days 9"
    names = ["-addext", "subjectAltName=DNS:receiver.test"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(["openssl", *made.split(), *names, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))
    with web_server(Web(), context) as web:

        def to(host: str) -> dict[str, Any]:
            url = {"HOOK": f"https://{host}:{web.port}/s3cret"}
            return {"environment": url, "resolve": lambda host, port: ["127.0.0.1"]}

        desk.queue("a")
        desk.drain(**to("receiver.test"))
        assert desk.rows()[0].said == "the certificate is not to be trusted"
        desk.clock.pause(100)
        desk.drain(**to("another.test"), trust=trusting)
        assert desk.rows()[0].said == "the certificate is not to be trusted"
        assert web.sent == []
        desk.clock.pause(300)
        assert desk.drain(**to("receiver.test"), trust=trusting).counts["sent"] == 1
        assert web.sent[0][0]["host"] == f"receiver.test:{web.port}"


@pytest.mark.fault("A14")
def test_an_account_that_is_erased_is_dropped_and_that_is_on_record(desk: Desk) -> None:
    desk.queue("a", "b")
    with writing(desk.engine) as connection:
        outbox.queue(connection, "r2", [alert(None, "digest")], desk.clock.at)
        assert outbox.forget(connection, "a", desk.clock.at) == 2
    dropped = [one for one in desk.rows() if one.state == "dropped"]
    assert [(one.account_id, one.body, one.said) for one in dropped] == [
        (None, {}, "its account was erased")
    ]
    desk.drain(patience=5)
    assert "Name a" not in orjson.dumps([sent for _, sent in desk.web.sent]).decode()
    assert len(desk.web.sent) == 2


@pytest.mark.fault("A15")
def test_records_that_a_crm_did_not_take_are_pushed_again_by_their_id(desk: Desk) -> None:
    crm = Sink(name="crm", kind="crm", url="env:HOOK", token="env:TOKEN")
    settings = SETTINGS.model_copy(update={"sinks": (crm,)})
    half = {"results": [{"account_id": "a", "ok": True}, {"account_id": "b", "ok": False}]}
    desk.web.answers = [(200, {}, orjson.dumps(half)), (200, {}, b"")]
    batch = {"sink": "crm", "kind": "records", "account_id": None, "quiet_days": 0}
    for run in ("r0", "r1"):
        with writing(desk.engine) as connection:
            told = batch | {"body": {"records": ["a", "b", "c"]}}
            outbox.queue(connection, run, [told], desk.clock.at)
    assert desk.states() == {"merged": 1, "waiting": 1}
    changes = {
        "settings": settings,
        "environment": {"HOOK": desk.web.url, "TOKEN": "t0ken"},
        "records": lambda accounts: [{"account_id": a, "mrr": -1.5} for a in accounts],
    }
    assert desk.drain(**changes).to_json()["retrying"] == 1
    assert desk.rows()[1].said == "HTTP 200: 2 of 3 records were not taken"
    desk.clock.pause(100)
    assert desk.drain(**changes).to_json()["sent"] == 1
    pushed = [[one["account_id"] for one in sent["records"]] for _, sent in desk.web.sent]
    assert pushed == [["a", "b", "c"], ["b", "c"]]
    assert desk.web.sent[0][0]["authorization"] == "Bearer t0ken"
    assert desk.web.sent[0][1]["id"] == desk.web.sent[1][1]["id"]


def test_an_answer_in_pieces_is_read_whole(desk: Desk) -> None:
    desk.web.answers, desk.web.behaviour = [(200, {}, b"x" * 50_000)], "late"
    done = post(desk.web.url, b"{}", {}, allow=["127.0.0.1"], seconds=2)
    assert (done.status, len(done.body), done.whole) == (200, 50_000, True)


@pytest.mark.fault("A16")
def test_two_who_drain_at_once_send_each_message_once(desk: Desk) -> None:
    desk.queue(*(f"a{n}" for n in range(6)))
    lock = threading.Lock()

    def pause(seconds: float) -> None:
        with lock:
            desk.clock.at += timedelta(seconds=max(seconds, 0.2))
        time.sleep(0.002)

    def work() -> None:
        drain(desk.engine, desk.post, clock=desk.clock.now, pause=pause, patience=60)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    ids = [headers["idempotency-key"] for headers, _ in desk.web.sent]
    assert len(ids) == len(set(ids)) == 6
    assert desk.states() == {"sent": 6}


def test_a_late_answer_changes_nothing_of_a_message_that_another_claimed(desk: Desk) -> None:
    desk.queue("a")
    with writing(desk.engine) as connection:
        slow = claiming.claim(connection, desk.clock.at)
        desk.clock.pause(claiming.CLAIM_SECONDS)
        assert slow is not None
        assert claiming.claim(connection, desk.clock.at) is not None
        never = Outcome("never", "too late")
        claiming.settle(connection, slow, never, desk.clock.at, SETTINGS)
    assert desk.states() == {"sending": 1}


def test_a_sink_that_is_gone_or_has_no_secret_is_said(desk: Desk) -> None:
    desk.queue("a")
    desk.drain(environment={})
    assert (
        desk.rows()[0].said
        == "alerts.secret: [[alerts.sinks]] cs: env:HOOK is not set, or cannot be sent"
    )
    desk.queue("b", sink="other", run="r2")
    desk.drain()
    assert desk.rows()[1].said == "perennial.toml has no such sink any more"


def test_a_file_gets_one_line_of_json_each_for_its_owner_alone(desk: Desk, tmp_path: Path) -> None:
    file = Sink(name="cs", kind="file", path="alerts.jsonl")
    desk.queue("a", "b")
    desk.drain(settings=AlertSettings(sinks=(file,)))
    lines = [orjson.loads(line) for line in (tmp_path / "alerts.jsonl").read_bytes().splitlines()]
    assert {line["items"][0]["account_id"] for line in lines} == {"a", "b"}
    assert oct((tmp_path / "alerts.jsonl").stat().st_mode)[-3:] == "600"


def test_a_line_that_a_full_disk_cuts_off_is_taken_back_and_tried_again(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, wrote = AlertSettings(sinks=(Sink(name="cs", kind="file", path="out"),)), os.write
    desk.queue("a")
    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda file, text: wrote(file, text[:5]))
        assert desk.drain(settings=settings).to_json()["retrying"] == 1
    assert (tmp_path / "out").read_bytes() == b""
    desk.clock.pause(100)
    assert desk.drain(settings=settings).counts["sent"] == 1
    assert len((tmp_path / "out").read_bytes().splitlines()) == 1


@pytest.mark.fault("A01")
@pytest.mark.fault("A08")
def test_messages_are_queued_with_their_run_and_those_of_a_held_one_when_it_is_approved(
    desk: Desk, store: Store
) -> None:
    def stop(point: str) -> None:
        if point == "before_commit":
            raise KeyboardInterrupt

    publication = example(snapshot_id="s9", alerts=(alert("a"),))
    with pytest.raises(KeyboardInterrupt):
        store.publish(publication, now=NOW, checkpoint=stop)
    assert desk.states() == {}
    held = store.publish(publication, now=NOW, held=["too many moved"])
    assert desk.states() == {"held": 1}
    assert desk.drain().deliveries == ()
    store.approve(held.run_id, now=NOW)
    assert desk.states() == {"waiting": 1}
    assert store.publish(publication, now=NOW).published is False
    assert desk.drain().counts["sent"] == 1


@pytest.mark.fault("A08")
def test_what_a_held_run_would_have_told_is_closed_by_a_newer_run(desk: Desk, store: Store) -> None:
    store.publish(example(snapshot_id="h1", alerts=(alert("a"),)), now=NOW, held=["why"])
    store.publish(example(snapshot_id="h2", alerts=(alert("b"),)), now=NOW)
    assert desk.states() == {"merged": 1, "waiting": 1}


@pytest.mark.ci  # apprise takes two seconds to load
@pytest.mark.fault("A06")
def test_mail_is_sent_by_apprise_and_no_name_adds_a_header(desk: Desk) -> None:
    mail = Sink(name="cs", kind="email", url="env:SMTP", to=("a@x.io", "b@x.io"), sender="p@x.io")
    settings = SETTINGS.model_copy(update={"sinks": (mail,)})
    told = alert("a")
    told["body"]["items"][0]["name"] = "Acme\r\nBcc: evil@x.io"
    with mail_server(Mailbox()) as box:
        changes = {
            "settings": settings,
            "environment": {"SMTP": f"smtp://127.0.0.1:{box.port}?security=none"},
        }
        with writing(desk.engine) as connection:
            outbox.queue(connection, "r1", [told], desk.clock.at)
        done = desk.drain(**changes)
        assert done.counts["sent"] == 1, done
        assert len(box.letters) == 2
        assert len(box.to) == 2
        assert "\nBcc" not in box.letters[0]
        assert done.deliveries[0].delivery_id in box.letters[0]
        assert "Subject: Acme Bcc: evil@x.io (a)" in box.letters[0]
        box.refuse = b"550 nobody\r\n"
        desk.queue("b", run="r2")
        desk.clock.pause(2)
        assert desk.drain(**changes).to_json()["retrying"] == 1
    secure = {"SMTP": f"smtp://bot:s3cret@127.0.0.1:{box.port}"}
    desk.clock.pause(100)
    assert desk.drain(**changes | {"environment": secure}).to_json()["retrying"] == 1
    assert "s3cret" not in repr(desk.rows())
