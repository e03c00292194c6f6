"""The commands of outreach: the list, a contact that was made, a CSM's own call, the holdout's plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from serving.store import Store
from tests.command_line import perennial
from tests.example_publication import NOW, example

pytestmark = pytest.mark.ci


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published run and no book."""
    folder = tmp_path_factory.mktemp("work")
    Store.open(folder / ".perennial").publish(example(), now=NOW)
    return folder


def test_a_contact_is_logged_once_and_told_back(folder: Path) -> None:
    asked = (
        "outreach",
        "--log",
        "a02",
        "--play",
        "Renewal brief",
        "--outcome",
        "met",
        "--on",
        "2025-07-02",
    )
    logged = perennial(folder, *asked, "--json")
    assert logged.code == 0
    said = {name: logged.body[name] for name in ("account_id", "play", "outcome", "csm")}
    assert said == {"account_id": "a02", "play": "Renewal brief", "outcome": "met", "csm": "Ada"}
    assert "a02" in perennial(folder, *asked).out


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (("--log", "a02"), 2),
        (("--play", "Renewal brief"), 2),
        (("--log", "nobody", "--play", "Renewal brief"), 66),
        (("--effect", "--plan-holdout"), 2),
        (("--log", "a02", "--play", "Renewal brief", "--effect"), 2),
        (("--log", "a02", "--play", "Renewal brief", "--on", "2025-02-30"), 2),
        (("--format", "xml"), 2),
        (("--effect",), 66),  # nothing is ingested here
    ],
)
def test_what_cannot_be_done_says_why(folder: Path, asked: tuple[str, ...], code: int) -> None:
    told = perennial(folder, "outreach", *asked)
    assert (told.code, told.out) == (code, "")
    assert told.err


def test_the_holdouts_plan_names_its_share_and_months(folder: Path) -> None:
    told = perennial(folder, "outreach", "--plan-holdout", "--json").body
    assert (told["share"], told["relative_effect"], told["accounts"]) == (0.1, 0.12, 12)
    assert "holdout" in perennial(folder, "outreach", "--plan-holdout").out.lower()


def test_a_csms_call_stands_beside_the_machines_and_is_withdrawn(folder: Path) -> None:
    made = perennial(folder, "call", "a02", "--retention", "high", "--note", "met Bo", "--json")
    assert "High" in made.body["csm_call"]
    assert made.body["machine"]["retention_health"] == "Low"
    assert made.body["disagrees"]
    apart = perennial(folder, "outreach", "--disagree", "--json").body["items"]
    assert {row["account_id"] for row in apart} <= {"a02"}
    withdrawn = perennial(folder, "call", "a02", "--json").body
    assert not withdrawn["disagrees"]
    assert perennial(folder, "call", "nobody", "--retention", "High").code == 66
    assert perennial(folder, "call", "a02", "--retention", "superb").code == 2
