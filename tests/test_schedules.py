"""The examples of schedules: each is read as its scheduler reads it, and speaks to the real command line."""

from __future__ import annotations

import ast
import configparser
import os
import re
import subprocess
import sys
import types
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
import yaml

from serving.cli import app

HERE = Path(__file__).resolve().parents[1] / "docs" / "examples" / "schedules"
COMMANDS = typer.main.get_command(app).commands
FILES = sorted(path for path in HERE.iterdir() if path.is_file())
AGAIN, LOOK = (69, 75), (2, 65, 66, 70, 73, 77, 78)


def unit(name: str) -> configparser.ConfigParser:
    read = configparser.ConfigParser(strict=False, interpolation=None)  # systemd repeats keys
    read.optionxform = str
    read.read_string((HERE / name).read_text(encoding="utf-8"))
    return read


def spoken(text: str) -> list[tuple[str, list[str]]]:
    """List the commands of Perennial in a text, each with its options."""
    lines = re.sub(r"\\\n", " ", text)
    found = re.findall(r"(?<![\w-])perennial ([a-z]+)((?: [^\n`|>;&]*)?)", lines)
    known = [(name, rest) for name, rest in found if name not in ("perennial",)]
    return [(name, re.findall(r"(?<!\S)--[a-z-]+", rest)) for name, rest in known]


def of_python(text: str) -> list[tuple[str, list[str]]]:
    """List what a DAG runs: the words of each call of ``run``."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    words = [
        [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id == "run"
    ]
    return [(each[0], [one for one in each if one.startswith("--")]) for each in words]


def test_every_file_is_named_in_the_readme() -> None:
    told = (HERE / "README.md").read_text(encoding="utf-8")
    assert all(f"({path.name})" in told for path in FILES if path.name != "README.md")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_command_and_option_is_a_real_one(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        said = of_python(text)
    else:
        code = re.sub(r"(?m)^\s*#.*$|^(Description|name|User)\b.*$", "", text)
        said = [one for one in spoken(code) if one[0] in COMMANDS or one[1]]
    timed = path.suffix in (".timer", ".cron")
    assert timed or said, path.name
    for name, options in said:
        assert name in COMMANDS, f"{path.name}: perennial {name}"
        known = {opt for param in COMMANDS[name].params for opt in param.opts}
        assert set(options) <= known, f"{path.name}: perennial {name} {options}"


def test_the_crontab_names_its_minute_its_user_and_the_script() -> None:
    lines = (HERE / "perennial.cron").read_text(encoding="utf-8").splitlines()
    jobs = [one for one in lines if one and not one.startswith("#") and not re.match(r"\w+=", one)]
    assert len(jobs) == 1
    *when, user, command = jobs[0].split(maxsplit=6)
    limits = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    for field, (low, high) in zip(when, limits, strict=True):
        assert field == "*" or low <= int(field) <= high
    assert when[4] == "1"  # Mondays, on any day of the month: cron takes either of two
    assert (when[2], user) == ("*", "perennial")
    assert re.match(r"umask 077; \S+/weekly\.sh >> ", command)  # what it keeps is its user's alone
    assert "%" not in command  # cron would end the command there


def test_the_service_tries_again_what_is_worth_it_and_nothing_else() -> None:
    service = unit("perennial-weekly.service")["Service"]
    assert (service["Type"], service["Restart"]) == ("oneshot", "on-failure")
    assert {int(code) for code in service["RestartPreventExitStatus"].split()} == set(LOOK)
    assert service["ReadWritePaths"] == service["WorkingDirectory"]
    starts = unit("perennial-weekly.service")["Unit"]
    assert int(starts["StartLimitBurst"]) * 20 <= 6 * 60  # the tries fit into the interval


def test_the_timer_starts_the_service_once_a_week() -> None:
    timer = unit("perennial-weekly.timer")
    assert re.fullmatch(r"Mon \*-\*-\* \d\d:\d\d:\d\d UTC", timer["Timer"]["OnCalendar"])
    assert (HERE / timer["Timer"]["Unit"]).is_file()
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_the_workflow_runs_once_at_a_time_with_no_rights_on_a_runner_of_its_own() -> None:
    flow = yaml.safe_load((HERE / "github-actions.yml").read_text(encoding="utf-8"))
    when = flow[True]  # YAML 1.1 reads `on` as a truth value; GitHub does not
    assert re.fullmatch(r"\d+ \d+ \* \* 1", when["schedule"][0]["cron"])
    assert flow["permissions"] == {}
    assert flow["concurrency"]["cancel-in-progress"] is False
    job = flow["jobs"]["weekly"]
    assert "self-hosted" in job["runs-on"]
    shell = [step["run"] for step in job["steps"]]
    for script in shell:
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    assert all(f"{code}" in shell[0] for code in (65, 69, 75))


class Again(Exception):
    """Stands for Airflow's AirflowException."""


class Fail(Again):
    """Stands for Airflow's AirflowFailException."""


@pytest.fixture
def dag() -> Any:
    """The DAG's module, with stand-ins for Airflow that keep what it declares."""
    kept: dict[str, Any] = {}
    sdk, exceptions = types.ModuleType("airflow.sdk"), types.ModuleType("airflow.sdk.exceptions")
    exceptions.AirflowException, exceptions.AirflowFailException = Again, Fail  # type: ignore[attr-defined]

    def declared(**how: Any) -> Any:
        def named(made: Any) -> Any:
            kept[made.__name__] = how
            return (
                made
                if made.__name__ == "perennial_weekly"
                else mock.MagicMock(return_value=mock.MagicMock())
            )

        return named

    pendulum = types.ModuleType("pendulum")
    pendulum.datetime = lambda *when, tz: (*when, tz)  # type: ignore[attr-defined]
    sdk.dag = sdk.task = declared  # type: ignore[attr-defined]
    stood = {"airflow": types.ModuleType("airflow"), "airflow.sdk": sdk, "pendulum": pendulum}
    with mock.patch.dict(sys.modules, stood | {"airflow.sdk.exceptions": exceptions}):
        module = types.ModuleType("perennial_weekly")
        source = (HERE / "perennial_weekly.py").read_text(encoding="utf-8")
        exec(compile(source, "perennial_weekly.py", "exec"), vars(module))
    module.kept = kept  # type: ignore[attr-defined]
    return module


def test_the_dag_runs_once_at_a_time_and_makes_nothing_up(dag: Any) -> None:
    assert re.fullmatch(r"\d+ \d+ \* \* 1", dag.kept["perennial_weekly"]["schedule"])
    assert dag.kept["perennial_weekly"]["catchup"] is False
    assert dag.kept["perennial_weekly"]["max_active_runs"] == 1
    assert dag.kept["score"]["retries"] == 3


@pytest.mark.parametrize("code", [0, *AGAIN, *LOOK])
def test_the_dag_reads_the_exit_code(dag: Any, code: int) -> None:
    done = subprocess.CompletedProcess([], code, "{}", "said")
    with mock.patch.object(subprocess, "run", return_value=done):
        if code == 0:
            assert dag.run("score", "--json") == "{}"
            return
        with pytest.raises(Again) as raised:
            dag.run("score", "--json")
    assert isinstance(raised.value, Fail) == (code in LOOK)


def weekly(folder: Path, codes: list[int]) -> tuple[int, list[str]]:
    """Run the script beside a stand-in for ``perennial`` that ends with one code after another."""
    called, left = folder / "called", folder / "codes"
    left.write_text("\n".join(map(str, codes)) + "\n")
    stand_in = folder / "perennial"
    stand_in.write_text(
        f'#!/bin/sh\necho "$@" >> {called}\n'
        f"code=$(head -n 1 {left}); sed -i 1d {left}\nexit $code\n"
    )
    stand_in.chmod(0o755)
    told = {"PERENNIAL_WORKSPACE": str(folder), "PERENNIAL_WAIT_SECONDS": "0"}
    found = {"PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", str(HERE / "weekly.sh")], env=told | found, check=False)
    return done.returncode, called.read_text().splitlines()


@pytest.mark.parametrize(
    ("codes", "ends", "calls"),
    [
        ([0, 0, 0], 0, 3),
        ([75, 69, 0, 0, 0], 0, 5),
        ([65], 65, 1),
        ([78], 78, 1),
        ([75] * 4, 75, 4),
        ([0, 70], 70, 2),
        ([0, 0, 69, 0], 0, 4),
    ],
)
def test_the_script_tries_again_what_is_worth_it(
    tmp_path: Path, codes: list[int], ends: int, calls: int
) -> None:
    code, called = weekly(tmp_path, codes)
    assert (code, len(called)) == (ends, calls)
    assert (called[-1] == "alerts send") == (ends == 0)
