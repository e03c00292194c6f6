import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from fastapi import Depends
from fastapi.testclient import TestClient
from starlette.datastructures import Headers

from features.faults import ConfigurationRefused, DataRejected, InputMissing, UsageFault
from models.contacts import Call
from serving import audit, keyring, tables
from serving.admission import KNOWN_SECONDS
from serving.app import create_app
from serving.history import calls, log_action, record_call
from serving.keys import PATTERN, listed
from serving.operation.settings import ServeSettings
from serving.pepper import FILE, made_pepper, pepper
from serving.protection import refuse_open_bind
from tests.example_publication import NOW, example
from tests.keyed import BY, HERE, api, bearer, client, clock, home, made, published, store

__all__ = ["api", "clock", "home", "published", "store"]

pytestmark = pytest.mark.ci


@pytest.mark.fault("U01")
def test_none_wrong_expired_and_revoked_keys_get_one_answer(store, api, clock):
    until = NOW + timedelta(days=1)
    expired, revoked = made(store, expires_at=until), made(store)
    keyring.revoke(store.engine, revoked.key.key_id, now=NOW, by=BY)
    clock.on(days=2)
    guess = expired.text[:-1] + ("a" if expired.text[-1] != "a" else "b")
    given = [{}, bearer("x"), {"authorization": "Basic YTpi"}, bearer(guess), bearer(expired), bearer(revoked)]  # fmt: skip
    replies = [api.get("/v1/accounts?bad=1", headers=one) for one in given]
    bodies = {re.sub(r"request:\w+", "", reply.text) for reply in replies}
    assert len(bodies) == 1
    assert {reply.status_code for reply in replies} == {401}
    assert {reply.headers["www-authenticate"] for reply in replies} == {'Bearer realm="perennial"'}
    assert replies[0].json()["code"] == "no_key"


@pytest.mark.fault("U02")
@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("admin", {"read", "score", "runs"}),
        ("cs", {"read", "score", "runs"}),
        ("finance", {"read", "runs"}),
        ("batch", {"score", "runs"}),
    ],
)
def test_a_role_reaches_its_scopes_and_a_refusal_names_the_scope(store, api, role, allowed):
    key = bearer(made(store, role))
    replies = {
        "read": api.get("/v1/accounts", headers=key),
        "score": api.post("/v1/score", json={"account_ids": ["a01"]}, headers=key),
        "runs": api.get("/v1/runs", headers=key),
    }
    for scope, reply in replies.items():
        if scope in allowed:
            assert reply.status_code == 200, (scope, reply.text)
        else:
            assert (reply.status_code, reply.json()["code"]) == (403, "scope")
            assert f'"{scope}"' in reply.json()["detail"]


@pytest.mark.fault("U04")
def test_whoever_guesses_waits_and_nobody_else_does(store, api, clock):
    key, other = made(store), made(store)
    guess = f"per_{key.key.key_id}_{'a' * 40}"
    replies = [api.get("/v1/runs", headers=bearer(guess)) for _ in range(12)]
    assert [one.status_code for one in replies] == [401] * 10 + [429] * 2
    assert int(replies[-1].headers["retry-after"]) == replies[-1].json()["retry_after"] == 60
    assert api.get("/v1/runs", headers=bearer(other)).status_code == 200
    assert api.get("/v1/runs", headers=bearer(key)).status_code == 200  # the good one from there
    elsewhere = TestClient(api.app, base_url=HERE, client=("10.9.9.9", 1))
    assert elsewhere.get("/v1/runs", headers=bearer(key)).status_code == 200
    clock.on(seconds=61)
    assert api.get("/v1/runs", headers=bearer(guess)).status_code == 401


@pytest.mark.fault("U04")
def test_guessing_at_ever_other_keys_is_guessing_too(store, api):
    key = made(store)
    names = (f"per_{a}{b}aaaaaa_{'a' * 40}" for a in "abcdefghijk" for b in "abcdefghijk")
    codes = [api.get("/v1/runs", headers=bearer(name)).status_code for name in names]
    assert (codes[0], codes[98], codes[-1]) == (401, 401, 429)
    assert api.get("/v1/runs", headers=bearer(key)).status_code == 200


@pytest.mark.fault("U05")
def test_a_key_in_an_address_is_refused_and_flagged(store, api, clock):
    key = made(store)
    for address in (f"/v1/runs?key={key.text}", f"/v1/accounts/{key.text}"):
        reply = api.get(address, headers=bearer(key))
        assert (reply.status_code, reply.json()["code"]) == (400, "key_in_address")
        assert key.text not in reply.text
    assert api.get(f"/v1/runs?key={key.text[:-1]}7").status_code == 400
    (row,) = listed(store.engine)
    assert row.state(clock.now) == "rotate"
    assert [one["did"] for one in audit.entries(store.engine)].count("key.flagged") == 1


@pytest.mark.fault("U06")
def test_the_database_holds_a_seal_that_is_worth_nothing_without_the_pepper(store, clock):
    key = made(store)
    kept = made_pepper(store.home)
    secret = key.text.rpartition("_")[2]
    with store.engine.connect() as connection:
        row = connection.execute(sa.select(tables.keys)).one()
    assert row.seal == kept.seal("key", key.text)
    assert secret not in str(row)
    assert kept.secret.hex() not in str(row)
    assert (store.home / FILE).stat().st_mode & 0o777 == 0o600
    (store.home / FILE).unlink()
    with pytest.raises(ConfigurationRefused, match="not at hand"):
        create_app(store.home, now=clock)
    made_pepper(store.home)
    with pytest.raises(ConfigurationRefused, match="another one"):
        create_app(store.home, now=clock)


def test_the_pepper_is_read_by_its_owner_alone_and_may_come_from_the_environment(
    tmp_path, monkeypatch
):
    made_pepper(tmp_path)
    (tmp_path / FILE).chmod(0o640)
    with pytest.raises(ConfigurationRefused, match="chmod 600"):
        pepper(tmp_path)
    monkeypatch.setenv("OWN_PEPPER", "x" * 31)
    with pytest.raises(ConfigurationRefused, match="too short"):
        pepper(tmp_path, "env:OWN_PEPPER")
    monkeypatch.setenv("OWN_PEPPER", "x" * 32)
    assert made_pepper(tmp_path, "env:OWN_PEPPER") == pepper(tmp_path, "env:OWN_PEPPER")
    with pytest.raises(ValueError, match="env:NAME"):
        ServeSettings(pepper="x" * 32)


@pytest.mark.fault("U07")
def test_a_revoked_key_opens_nothing_within_five_seconds_in_every_worker(home, store, clock):
    key = made(store)
    workers = [client(home, clock) for _ in range(2)]
    assert KNOWN_SECONDS <= 5
    for one in workers:
        assert one.get("/v1/runs", headers=bearer(key)).status_code == 200
    keyring.revoke(store.engine, key.key.key_id, now=clock.now, by=BY)
    clock.on(seconds=KNOWN_SECONDS)
    for one in workers:
        assert one.get("/v1/runs", headers=bearer(key)).status_code == 401


@pytest.mark.fault("U07")
def test_a_rotated_key_works_beside_the_new_one_for_a_while(store, api, clock):
    old = made(store, "cs", csm="Ada", name="Ada's")
    new = keyring.rotate(
        store.engine, made_pepper(store.home), old.key.key_id, now=NOW, by=BY, overlap=timedelta(hours=1)
    )  # fmt: skip
    assert (new.key.role, new.key.csm, new.key.name) == ("cs", "Ada", "Ada's")
    assert [api.get("/v1/runs", headers=bearer(one)).status_code for one in (old, new)] == [200] * 2
    clock.on(hours=1)
    assert [api.get("/v1/runs", headers=bearer(one)).status_code for one in (old, new)] == [
        401,
        200,
    ]
    with pytest.raises(UsageFault, match=r"key\.ended"):
        keyring.rotate(
            store.engine, made_pepper(store.home), old.key.key_id, now=clock.now, by=BY, overlap=timedelta(0)
        )  # fmt: skip


@pytest.mark.fault("U08")
def test_a_role_in_a_body_is_refused(store, api):
    key = bearer(made(store, "batch"))
    body = {"account_ids": ["a01"], "role": "admin"}
    assert api.post("/v1/score", json=body, headers=key).status_code == 422
    form = {"key": "x", "role": "admin"}
    assert api.post("/login", data=form).status_code == 422


@pytest.mark.fault("U09")
def test_a_route_without_a_scope_keeps_the_process_from_starting(home, monkeypatch):
    from fastapi import APIRouter

    from serving import app

    forgetful = APIRouter(prefix="/v1", dependencies=[Depends(lambda: None)])
    forgetful.get("/forgotten")(lambda: "everything")
    with monkeypatch.context() as patched:
        patched.setattr(app.routes, "router", forgetful)
        with pytest.raises(ConfigurationRefused, match=r"/v1/forgotten: serve\.scope") as refused:
            create_app(home)
    assert refused.value.exit_code == 78


@pytest.mark.fault("U10")
def test_what_cannot_be_written_into_the_audit_is_not_done(store):
    with store.engine.begin() as connection:
        connection.execute(sa.delete(tables.audit_end))
    with pytest.raises(DataRejected, match=r"audit\.broken"):
        record_call(store.engine, "a01", Call("High"), NOW)
    with pytest.raises(DataRejected, match=r"audit\.broken"):
        log_action(store.engine, "a01", "Renewal brief", NOW.date(), NOW)
    with pytest.raises(DataRejected, match=r"audit\.broken"):
        made(store)
    assert calls(store.engine, (NOW + timedelta(days=1)).date()) == {}
    assert listed(store.engine) == []


EDITS = {
    "an entry's doer": "update audit set who = 'eve' where entry = 2",
    "an entry's link": "update audit set link = 'x' where entry = 2",
    "one in the middle": "delete from audit where entry = 2",
    "the last": "delete from audit where entry = 3",
    "the first": "delete from audit where entry = 1",
    "all": "delete from audit",
    "the end": "delete from audit_end",
    "the count": "update audit_end set entries = 2",
    "one more": "insert into audit values (4, 'now', 'eve', 'did', 'it', 'x')",
}


@pytest.mark.fault("U10")
@pytest.mark.parametrize("edit", EDITS)
def test_whatever_is_changed_in_the_audit_breaks_its_chain(store, edit):
    assert audit.verify_chain(store.engine) == (0, "")
    record_call(store.engine, "a01", Call("High"), NOW, by="Ada")
    made(store)
    log_action(store.engine, "a01", "Renewal brief", NOW.date(), NOW, by="Ada")
    told = [(one["who"], one["did"]) for one in audit.entries(store.engine)]
    assert told == [("Ada", "action.logged"), (BY, "key.made for admin"), ("Ada", "call.put")]
    assert audit.verify_chain(store.engine).entries == 3
    with store.engine.begin() as connection:
        connection.execute(sa.text(EDITS[edit]))
    with pytest.raises(DataRejected, match=r"audit\.broken") as refused:
        audit.verify_chain(store.engine)
    assert refused.value.exit_code == 65


@pytest.mark.fault("U11")
def test_the_first_key_comes_from_a_token_that_works_once_and_for_fifteen_minutes(
    store, api, clock
):
    made_with = made_pepper(store.home)
    late = keyring.bootstrap(store.engine, made_with, now=NOW, by=BY)
    clock.on(minutes=15)
    assert api.get("/v1/runs", headers=bearer(late)).status_code == 401
    assert api.post("/login", data={"key": late.text}).status_code == 401
    token = keyring.bootstrap(store.engine, made_with, now=clock.now, by=BY)
    assert api.get("/v1/runs", headers=bearer(token)).status_code == 401
    page = api.post("/login", data={"key": token.text})
    assert page.status_code == 200
    key = PATTERN.search(page.text)[0]
    assert key != token.text
    assert api.get("/v1/runs", headers=bearer(key)).status_code == 200
    api.cookies.clear()
    assert api.post("/login", data={"key": token.text}).status_code == 401
    with pytest.raises(UsageFault, match="an admin has a key"):
        keyring.bootstrap(store.engine, made_with, now=clock.now, by=BY)


def test_others_than_this_machine_are_served_once_there_is_a_key(home, store, clock):
    with pytest.raises(ConfigurationRefused):
        refuse_open_bind("0.0.0.0")
    refuse_open_bind("0.0.0.0", keyed=True)
    open_still = client(home, clock)
    assert open_still.get("/livez", headers={"host": "10.0.0.5:8321"}).status_code == 400
    named = client(home, clock, ServeSettings(hosts=("Book.example",)))
    assert named.get("/v1/runs").status_code == 401
    key = bearer(made(store))
    found = client(home, clock, ServeSettings(hosts=("Book.example",)))
    for host, status in (("book.example", 200), ("10.0.0.5:8321", 200), ("evil.example", 400)):
        assert found.get("/v1/runs", headers=key | {"host": host}).status_code == status


def test_a_trusted_proxy_says_who_is_there_and_nobody_else_can(home, store, clock):
    proxy = {
        "address": "10.0.0.2", "header": "X-Forwarded-User", "people": {"ada": "cs", "cfo": "finance"},
        "csm_header": "X-Csm",
    }  # fmt: skip
    settings = ServeSettings.model_validate({"trusted_proxy": proxy})
    inside = client(home, clock, settings, client=("10.0.0.2", 1))
    outside = client(home, clock, settings, client=("10.0.0.3", 1))
    told = {"x-forwarded-user": "ada", "x-csm": "Ada"}
    assert inside.get("/v1/runs", headers=told).status_code == 200
    assert inside.get("/v1/runs", headers={"x-forwarded-user": "eve"}).status_code == 401
    assert inside.get("/v1/runs").status_code == 401
    assert inside.get("/v1/runs", headers=told | {"x-csm": " "}).status_code == 401
    assert outside.get("/v1/runs", headers=told).status_code == 401
    trusted = inside.app.state.duty.settings.trusted_proxy
    assert trusted.who("10.0.0.2", Headers(told)).key != "ada"
    twice = [("x-forwarded-user", "cfo"), *told.items()]  # the proxy added its own to what it got
    assert inside.get("/v1/runs", headers=twice).status_code == 401
    assert inside.get("/v1/runs", headers=[*told.items(), ("x-csm", "Ben")]).status_code == 401
    hops = [("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "5.6.7.8")]
    raw = [(name.encode(), value.encode()) for name, value in hops]
    assert trusted.client("10.0.0.2", Headers(raw=raw)) == "5.6.7.8"
    stale = told | {"cookie": "perennial_session=gone"}
    assert inside.get("/v1/runs", headers=stale).status_code == 200
    score = inside.post(
        "/v1/score", json={"account_ids": ["a"]}, headers={"x-forwarded-user": "cfo"}
    )
    assert score.status_code == 403


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ({"role": "root"}, "key.role"),
        ({"role": "finance", "csm": "Ada"}, "key.csm"),
        ({"role": "cs", "name": ""}, "key.name"),
        ({"role": "cs", "name": "a\nb"}, "key.name"),
        ({"role": "cs", "expires_at": NOW}, "key.expires"),
    ],
)
def test_what_a_key_cannot_be_is_refused(store, asked, refused):
    with pytest.raises(UsageFault) as found:
        made(store, **asked)
    assert found.value.code == refused


def test_a_name_is_of_one_key_that_is_good_and_unknown_keys_are_said(store):
    made(store, name="nightly")
    with pytest.raises(UsageFault, match="has a key already"):
        made(store, name="nightly")
    with pytest.raises(InputMissing, match=r"key\.unknown"):
        keyring.revoke(store.engine, "nothing", now=NOW, by=BY)


@pytest.mark.fault("U03")
def test_a_key_of_one_csm_is_shown_the_serving_run_alone(store, api):
    before = store.current()
    store.publish(example(snapshot_id="later"), now=NOW)
    ada, admin = bearer(made(store, "cs", csm="Ada")), bearer(made(store))
    then = f"/v1/accounts/a01?run={before.run_id}"
    refused = api.get(then, headers=ada)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope")
    assert api.get(then, headers=admin).status_code == 200
    now = f"/v1/accounts/a01?run={store.current().run_id}"
    assert api.get(now, headers=ada).status_code == 200
