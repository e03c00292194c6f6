"""``perennial keys`` as it is typed, and a server whose words are searched for secrets."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.pepper import FILE
from serving.store import Store
from tests.command_line import perennial
from tests.example_publication import NOW, example

pytestmark = pytest.mark.ci
PERENNIAL = [sys.executable, "-m", "serving.cli"]
CANARIES = ("Acme Rail", "Birch & Co", "=cmd|")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    Store.open(folder / ".perennial").publish(example(), now=NOW)
    return folder


@pytest.fixture(scope="module")
def key(folder: Path) -> str:
    words = ("keys", "create", "--role", "admin", "--name", "ops", "--expires", "30", "--json")
    return str(perennial(folder, *words).body["key"])


@pytest.fixture(scope="module")
def served(folder: Path, key: str) -> Iterator[str]:
    """Serve the folder; give the address."""
    port = str(_free())
    told = (folder / "told.log").open("wb")
    process = subprocess.Popen(
        [*PERENNIAL, "serve", "--host", "0.0.0.0", "--port", port],
        cwd=folder, stdout=told, stderr=told,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    for _ in range(600):
        if ask(f"{address}/livez")[0] == 200:
            break
        time.sleep(0.1)
    yield address
    process.send_signal(signal.SIGINT)
    process.wait(timeout=20)
    told.close()


def _free() -> int:
    import socket

    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return int(door.getsockname()[1])


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


OPENER = urllib.request.build_opener(_Stay)


def ask(address: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str, str]:
    """Give status, text and cookie of an answer; 0 where nobody is there."""
    data = urllib.parse.urlencode(form).encode() if form else None
    try:
        with OPENER.open(urllib.request.Request(address, data, headers), timeout=5) as reply:
            return reply.status, reply.read().decode(), reply.headers.get("set-cookie", "")
    except urllib.error.HTTPError as reply:
        return reply.code, reply.read().decode(), reply.headers.get("set-cookie", "")
    except urllib.error.URLError:
        return 0, "", ""


@pytest.mark.fault("U11")
def test_a_first_key_is_a_token_that_is_shown_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert "lets everybody in" in perennial(tmp_path, "keys").out
    refused = perennial(tmp_path, "serve", "--host", "0.0.0.0")
    assert (refused.code, "serve.open" in refused.err) == (78, True)
    told = perennial(tmp_path, "keys", "bootstrap").out
    assert "within 15 minutes" in told
    token = re.findall(r"per_\w+", told)
    assert len(token) == 1
    listed = perennial(tmp_path, "keys")
    assert "token: admin" in listed.out
    assert token[0] not in listed.out + listed.err


def test_keys_are_made_listed_rotated_changed_and_ended(folder: Path, key: str) -> None:
    name = key.split("_")[1]
    (row,) = perennial(folder, "keys", "--json").body["keys"]
    assert (row["id"], row["name"], row["role"], row["state"]) == (name, "ops", "admin", "good")
    assert key not in json.dumps(row)
    limited = ("keys", "create", "--role", "cs", "--csm", "Ada", "--json")
    made = perennial(folder, *limited).body
    new = json.loads(
        perennial(folder, "keys", "rotate", made["id"], "--overlap", "0", "--json").out
    )
    assert (new["role"], new["csm"], new["name"]) == ("cs", "Ada", made["name"])
    changed = perennial(folder, "keys", "change", new["id"], "--role", "batch").out
    assert "good, batch" in changed
    assert "revoked, batch" in perennial(folder, "keys", "revoke", new["id"]).out
    states = [one["state"] for one in perennial(folder, "keys", "--json").body["keys"]]
    assert states == ["good", "revoked", "revoked"]
    for words, code in (
        (("revoke",), 2), (("revoke", "nothing"), 66), (("create",), 2), (("list", "x"), 2),
        (("create", "--role", "finance", "--csm", "Ada"), 2), (("rotate", new["id"]), 2),
        (("bootstrap",), 2), (("create", "--role", "cs", "--name", "ops"), 2),
    ):  # fmt: skip
        assert perennial(folder, "keys", *words).code == code, words
    verified = perennial(folder, "verify", "--json").body
    (last, *_) = perennial(folder, "keys", "audit", "--json").body["entries"]
    assert (last["who"], last["did"]) == ("command line", "key.revoked")
    assert "key.rotated" in perennial(folder, "keys", "audit").out
    assert verified["audit"]["entries"] == 6


@pytest.mark.fault("U14")
def test_no_secret_is_told_or_kept(folder: Path, served: str, key: str) -> None:
    header = {"authorization": f"Bearer {key}"}
    told = [ask(f"{served}/v1/accounts", **header)]
    assert told[0][0] == 200
    told.append(ask(f"{served}/v1/runs?key={key}", **header))
    told.append(ask(f"{served}/v1/runs?{key}={key}&{key}=2", **header))
    told.append(ask(f"{served}/nowhere/{key}"))
    told.append(ask(f"{served}/v1/accounts/nobody", **header))
    told.append(ask(f"{served}/v1/score", {"key": key}, **header))
    told.append(ask(f"{served}/v1/runs", authorization=f"Basic {key}"))
    told.append(ask(f"{served}/login", {"key": key, "next": "/", "role": key}))
    status, _, cookie = ask(f"{served}/login", {"key": key})
    assert status == 303
    token = re.search(r"perennial_session=([^;]+)", cookie)[1]
    told.append(ask(f"{served}/v1/runs?bad=1", cookie=f"perennial_session={token}"))
    told.append(ask(f"{served}/", cookie=f"perennial_session={token}x"))
    told.append(ask(f"{served}/metrics"))
    assert {one[0] for one in told[1:]} <= {200, 303, 400, 401, 404, 415, 422}
    pepper = (folder / ".perennial" / FILE).read_bytes()
    secrets = [key.rpartition("_")[2], token, pepper.hex(), pepper.decode("latin-1")]
    answers = " ".join(text for _, text, _ in told[1:])
    log = (folder / "told.log").read_text(encoding="latin-1")
    assert f"http://0.0.0.0:{served.rpartition(':')[2]} (with a key)" in log
    assert '"route":"/v1/accounts"' in log
    for secret in secrets:
        assert secret not in answers
        assert secret not in log
    for canary in CANARIES:
        assert canary not in answers
        assert canary not in log
    for path in sorted((folder / ".perennial").rglob("*")):
        if path.is_file() and path.name != FILE:
            content = path.read_bytes()
            assert not [one for one in secrets if one.encode("latin-1") in content], path
    environment = Path(f"/proc/{os.getpid()}/environ").read_bytes()
    assert pepper not in environment
