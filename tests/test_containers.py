"""The examples of containers: read as a builder, compose and Kubernetes read them. No engine runs here."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from serving.cli import app
from serving.settings import load

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "docs" / "examples" / "containers"
COMMANDS = typer.main.get_command(app).commands
OTHERS = ("mlflow", "python")
SECRETS = {"PGPASSWORD", "PERENNIAL_PEPPER"}
PATHS = {"/livez", "/readyz"}


def instructions(text: str) -> list[tuple[str, str]]:
    """Read a Containerfile: each instruction with what follows it."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    found = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(name.upper(), rest.strip()) for name, rest in found]


BUILT = instructions((HERE / "Containerfile").read_text())
COMPOSE = yaml.safe_load((HERE / "compose.yaml").read_text())
MANIFESTS = list(yaml.safe_load_all((HERE / "kubernetes.yaml").read_text()))
SERVICES: dict[str, Any] = COMPOSE["services"]


def told(words: list[str]) -> None:
    """Hold a command against the real command line."""
    if words[0] in OTHERS:
        return
    assert words[0] == "perennial", words
    name, *rest = words[1:]
    known = {flag for param in COMMANDS[name].params for flag in param.opts}
    assert {word for word in rest if word.startswith("--")} <= known, words


def kind(name: str) -> list[dict[str, Any]]:
    return [one for one in MANIFESTS if one["kind"] == name]


def pods() -> list[dict[str, Any]]:
    (server,), (weekly,) = kind("Deployment"), kind("CronJob")
    return [
        server["spec"]["template"]["spec"],
        weekly["spec"]["jobTemplate"]["spec"]["template"]["spec"],
    ]


def containers() -> list[dict[str, Any]]:
    return [one for pod in pods() for one in (*pod.get("initContainers", ()), *pod["containers"])]


# --- the image


def test_every_file_that_is_copied_is_there_and_seen_by_the_builder() -> None:
    seen = [line[1:] for line in (HERE / "Containerfile.dockerignore").read_text().splitlines()
            if line.startswith("!")]  # fmt: skip
    copies = [shlex.split(rest) for name, rest in BUILT if name == "COPY"]
    own = [source for words in copies if not words[0].startswith("--from") for source in words[:-1]]
    assert {
        "pyproject.toml",
        ".ci/release/locks",
        "features",
        "models",
        "training",
        "serving",
    } <= set(own)
    for source in own:
        assert (ROOT / source).exists(), source
        assert source.removeprefix("./") in seen, source
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = packages["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(wheel) <= set(own)


def test_the_image_is_pinned_constrained_and_not_roots() -> None:
    bases = [rest.split()[0] for name, rest in BUILT if name == "FROM"]
    assert all(re.search(r"python:3\.11-slim", base) for base in bases)
    runs = " ".join(rest for name, rest in BUILT if name == "RUN")
    assert set(re.findall(r"pip install (\S+)", runs)) == {"--require-hashes", "--no-deps"}
    assert "--requirement .ci/release/locks/runtime.txt" in runs
    last = max(at for at, (name, _) in enumerate(BUILT) if name == "FROM")
    users = [rest for name, rest in BUILT[last:] if name == "USER"]
    assert users
    assert users[-1].split(":")[0] not in ("0", "root")
    assert not [rest for name, rest in BUILT if name in ("ADD", "MAINTAINER")]
    assert not re.search(r"(?i)password|secret_?key|token *=", json.dumps(BUILT))


def test_the_image_looks_at_livez_and_starts_the_server() -> None:
    said = dict(BUILT)
    assert "/livez" in said["HEALTHCHECK"]
    compile(json.loads(said["HEALTHCHECK"].partition("CMD")[2].strip())[2], "healthcheck", "exec")
    command = json.loads(said["CMD"])
    told(command)
    assert said["EXPOSE"] == command[command.index("--port") + 1]
    assert json.loads(said["ENTRYPOINT"]) == ["with-secrets"]


# --- compose


def test_compose_runs_real_commands_and_nobody_as_root() -> None:
    for name, one in SERVICES.items():
        if "command" in one:
            told([str(word) for word in one["command"]])
        assert one.get("user", "postgres") != "0:0"
        if name != "store":
            assert one["user"] == "10001:10001"
            assert one["read_only"] is True
            assert one["cap_drop"] == ["ALL"]
    assert SERVICES["job"]["command"][:2] == ["perennial", "score"]
    assert (SERVICES["job"]["restart"], SERVICES["job"]["profiles"]) == ("no", ["job"])


def test_compose_has_a_health_check_for_what_stays_up() -> None:
    for name in ("store", "mlflow"):
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
        assert SERVICES["server"]["depends_on"][name] == {"condition": "service_healthy"}
    code = SERVICES["mlflow"]["healthcheck"]["test"][-1]
    compile(code, "healthcheck", "exec")
    assert "disable" not in SERVICES["server"].get("healthcheck", {})  # the image's own


def test_compose_names_only_what_it_declares() -> None:
    used = {
        m["source"] for one in SERVICES.values() for m in one["volumes"] if m["type"] == "volume"
    }
    assert used == set(COMPOSE["volumes"])
    secrets = {name for one in SERVICES.values() for name in one.get("secrets", ())}
    assert secrets == set(COMPOSE["secrets"])
    networks = {name for one in SERVICES.values() for name in one["networks"]}
    assert networks == set(COMPOSE["networks"])
    assert COMPOSE["networks"]["inside"]["internal"] is True
    assert not SERVICES["store"].get("ports")
    assert not SERVICES["mlflow"].get("ports")
    for one in SERVICES["server"]["ports"]:
        assert one.startswith("127.0.0.1:")
    place = SERVICES["server"]["build"]
    assert (HERE / place["context"] / place["dockerfile"]).resolve() == HERE / "Containerfile"


def test_no_secret_and_no_default_password_is_in_any_file() -> None:
    for path in HERE.iterdir():
        text = path.read_text()
        assert not re.search(r"(?i)(password|pepper|token)[\"']?\s*[:=]\s*[\"']?(?!env:|/|\$|\.)\w{6,}",
                             re.sub(r"#.*", "", text)), path.name  # fmt: skip
        assert "://perennial:" not in text, path.name
    for one in SERVICES.values():
        for name in one.get("environment", {}):
            assert name not in SECRETS | {"POSTGRES_PASSWORD"}
    assert all(set(one) == {"file"} for one in COMPOSE["secrets"].values())
    assert not kind("Secret")


def test_variables_of_compose_are_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (HERE / "compose.yaml").read_text()))
    given = dict(
        line.split("=", 1)
        for line in (HERE / ".env.example").read_text().splitlines()
        if line and not line.startswith("#")
    )
    assert asked == set(given)


# --- the settings


@pytest.mark.parametrize("where", ["compose", "kubernetes"])
def test_the_settings_are_read_and_their_variables_given(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (config,) = kind("ConfigMap")
    text = (
        (HERE / "perennial.toml").read_text()
        if where == "compose"
        else config["data"]["perennial.toml"]
    )
    (tmp_path / "perennial.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    settings = load()
    named = set(re.findall(r'"env:(\w+)"', text))
    env: set[str] = set()
    if where == "compose":
        env = set(SERVICES["server"]["environment"])
        assert f"http://mlflow:{5000}" == settings.mlflow.tracking_uri
        assert "--allowed-hosts=mlflow:5000" in " ".join(SERVICES["mlflow"]["command"])
    else:
        env = {each["name"] for each in containers()[0]["env"]}
    assert named <= {name.removesuffix("_FILE") for name in env}
    assert settings.store.url == "env:PERENNIAL_STORE_URL"
    assert settings.serve.pepper == "env:PERENNIAL_PEPPER"


def test_a_proxys_section_is_a_real_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (HERE / "perennial.toml").read_text()
    head, section = text.split("# [serve.trusted_proxy]")
    shown = "[serve.trusted_proxy]" + re.sub(r"(?m)^# ", "", section)
    (tmp_path / "perennial.toml").write_text(head + shown)
    monkeypatch.chdir(tmp_path)
    assert load().serve.trusted_proxy.header == "X-Forwarded-User"


# --- Kubernetes


def test_kubernetes_probes_mean_what_they_say() -> None:
    (server,) = pods()[0]["containers"]
    port = server["ports"][0]
    for probe, path in (
        ("startupProbe", "/livez"),
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
    ):
        asked = server[probe]["httpGet"]
        assert (asked["path"], asked["port"]) == (path, port["name"])
        assert {"name": "Host", "value": "localhost"} in asked["httpHeaders"]
    assert str(port["containerPort"]) == server["args"][server["args"].index("--port") + 1]
    (config,), grace = kind("ConfigMap"), pods()[0]["terminationGracePeriodSeconds"]
    serve = tomllib.loads(config["data"]["perennial.toml"])["serve"]
    assert serve["drain_seconds"] + serve["stop_seconds"] < grace


def test_kubernetes_runs_real_commands_without_rights() -> None:
    for pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        volumes = {one["name"] for one in pod["volumes"]}
        for one in (*pod.get("initContainers", ()), *pod["containers"]):
            told([str(word) for word in one["args"]])
            assert one["securityContext"]["readOnlyRootFilesystem"] is True
            assert one["securityContext"]["allowPrivilegeEscalation"] is False
            assert {mount["name"] for mount in one["volumeMounts"]} == volumes
            assert {each["name"] for each in one["env"]} == {
                "PERENNIAL_STORE_URL",
                *(f"{name}_FILE" for name in SECRETS),
            }
            assert "limits" in one["resources"]


def test_the_weekly_job_tries_again_only_where_that_helps() -> None:
    (weekly,) = kind("CronJob")
    assert weekly["spec"]["concurrencyPolicy"] == "Forbid"
    (rule,) = weekly["spec"]["jobTemplate"]["spec"]["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [2, 65, 66, 70, 73, 77, 78]
    names = [one["name"] for one in pods()[1]["initContainers"]]
    assert rule["onExitCodes"]["containerName"] in names
    assert pods()[1]["restartPolicy"] == "Never"
    claims = {one["metadata"]["name"] for one in kind("PersistentVolumeClaim")}
    used = {one["persistentVolumeClaim"]["claimName"] for pod in pods() for one in pod["volumes"]
            if "persistentVolumeClaim" in one}  # fmt: skip
    assert used == claims


def test_every_file_is_named_in_the_readme() -> None:
    said = (HERE / "README.md").read_text()
    assert all(f"({path.name})" in said for path in HERE.iterdir() if path.name != "README.md")


# --- secrets by file, as a shell runs it


def run(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    plain = {"PATH": os.environ["PATH"]} | env
    script = ["sh", str(HERE / "with-secrets.sh"), *words]
    return subprocess.run(
        script, env=plain, capture_output=True, text=True, timeout=20, check=False
    )


def test_a_secret_comes_from_its_file(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("pa ss$word'\"`x`\n")
    told_ = run({"PGPASSWORD_FILE": str(tmp_path / "one"), "OTHER": "x"}, "env")
    assert "PGPASSWORD=pa ss$word'\"`x`\n" in told_.stdout
    assert "PGPASSWORD_FILE" not in told_.stdout
    assert told_.returncode == 0


@pytest.mark.parametrize("made", [False, True])
def test_a_secret_that_is_not_there_stops_the_start(tmp_path: Path, made: bool) -> None:
    if made:
        (tmp_path / "one").write_text("\n")
    found = run({"PERENNIAL_PEPPER_FILE": str(tmp_path / "one")}, "echo", "started")
    assert (found.returncode, found.stdout) == (78, "")
    assert "PERENNIAL_PEPPER_FILE" in found.stderr


def test_the_exit_code_is_the_commands_own() -> None:
    assert run({}, "sh", "-c", "exit 75").returncode == 75
    assert run({}, "sh", "-c", "echo $1 $2", "-", "a b", "c").stdout == "a b c\n"
