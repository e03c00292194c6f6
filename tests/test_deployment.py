"""The examples of serving: a unit, two proxies; each speaks of what the server really does."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import typer

from serving.bodies import LARGEST
from serving.cli import app
from serving.operation.settings import ServeSettings

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "docs" / "examples" / "serving"
PAGE = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands
NGINX, CADDY = ((HERE / name).read_text(encoding="utf-8") for name in ("nginx.conf", "Caddyfile"))


def unit() -> configparser.SectionProxy:
    read = configparser.ConfigParser(strict=False, interpolation=None)
    read.optionxform = str
    read.read_string((HERE / "perennial.service").read_text(encoding="utf-8"))
    return read["Service"]


def test_the_unit_runs_a_real_command_as_its_own_user() -> None:
    service = unit()
    program, name, *rest = service["ExecStart"].split()
    known = {flag for param in COMMANDS[name].params for flag in param.opts}
    assert program == "/opt/perennial/bin/perennial"
    assert {word for word in rest if word.startswith("--")} <= known
    assert rest[rest.index("--host") + 1] == "127.0.0.1"
    assert service["User"] == "perennial"
    assert service["ProtectSystem"] == "strict"
    assert service["ReadWritePaths"] == service["WorkingDirectory"]


def test_the_unit_waits_for_the_server_and_gives_up_where_a_person_is_needed() -> None:
    service, serve = unit(), ServeSettings()
    assert serve.drain_seconds + serve.stop_seconds < int(
        service["TimeoutStopSec"].removesuffix("s")
    )
    assert int(service["LimitNOFILE"]) >= serve.connections + 1000
    assert service["RestartPreventExitStatus"].split() == ["2", "66", "77", "78"]


def test_the_proxies_lead_to_the_port_of_the_unit() -> None:
    words = unit()["ExecStart"].split()
    place = f"127.0.0.1:{words[words.index('--port') + 1]}"
    assert f"server {place};" in NGINX
    assert f"reverse_proxy {place}" in CADDY


def test_the_proxies_never_pass_on_who_somebody_says_he_is() -> None:
    for header in ("X-Forwarded-User", "X-Forwarded-Csm"):
        assert re.search(rf'proxy_set_header {header} "";', NGINX)
        assert f"header_up -{header}" in CADDY
    for header in ("Host $host", "X-Forwarded-Proto $scheme", "X-Forwarded-For $remote_addr"):
        assert f"proxy_set_header {header};" in NGINX


def test_the_proxies_take_bodies_as_large_as_the_server_does() -> None:
    assert LARGEST == 256 * 1024 or LARGEST == 256_000
    assert "client_max_body_size 256k;" in NGINX
    assert "max_size 256KB" in CADDY


def test_the_files_are_balanced_and_named_on_the_page() -> None:
    for text in (NGINX, CADDY):
        plain = re.sub(r"#.*", "", text)
        assert plain.count("{") == plain.count("}")
    assert all(f"(examples/serving/{path.name})" in PAGE for path in HERE.iterdir())


def test_the_page_names_only_settings_that_there_are() -> None:
    for name in ("drain_seconds", "stop_seconds", "hosts", "pepper", "trusted_proxy"):
        assert name in ServeSettings.model_fields
        assert name in PAGE
