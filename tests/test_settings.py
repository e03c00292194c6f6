"""Settings: every section by its owner, every refusal with its line, one digest of the choices."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.faults import ConfigurationRefused, Fault
from serving.settings import load

TYPOS = [
    ("[revenue]\nlate_renewal_day = 3\n", 2, 'did you mean "late_renewal_days"?'),
    ('[revenue]\n\nlate_renewal_days = "x"\n', 3, "valid integer"),
    ('[revenue]\npreset = "strip-like"\n', 2, 'did you mean "stripe-like"'),
    ("[matrix]\n# medium_odd\nmedium_odd = 3\n", 3, 'did you mean "medium_odds"?'),
    ("[outreach]\nper_cms = 3\n", 2, 'did you mean "per_csm"?'),
    ("[outreach]\nper_csm = -3\n", 2, "greater than or equal to 0"),
    ("[forecast]\nnrr_taget = 1\n", 2, 'did you mean "nrr_target"?'),
    ('[mlflow]\ntracking_url = "x"\n', 2, 'did you mean "tracking_uri"?'),
    ('[benchmarks]\nmodel = "plgs"\n', 2, 'did you mean "plg"?'),
    ('[benchmarks]\nstages = "seed"\n', 2, 'did you mean "stage"?'),
    ("[alerts]\nchannel = 1\n", 2, "unknown key"),
    ("[book]\n[ingest]\nsettle_second = 1\n", 3, 'did you mean "settle_seconds"?'),
    ("[ingest]\nsettle_seconds = -1\n", 2, "greater than or equal to 0"),
    ('[book]\ncurency = "EUR"\n', 2, 'did you mean "currency"?'),
    ("[book\n", 1, "Expected ']'"),
    ("[boook]\n", 1, 'did you mean "book"?'),
    ("[tables.usages]\n", 1, 'did you mean "usage"?'),
    ("[tables.usage]\ncolumn = {}\n[outreach]\n", 2, 'did you mean "columns"?'),
]


@pytest.mark.fault("C12")
@pytest.mark.parametrize(("text", "line", "cure"), TYPOS)
def test_a_typo_is_78_with_its_line_and_the_nearest_name(
    tmp_path: Path, text: str, line: int, cure: str
) -> None:
    (tmp_path / "perennial.toml").write_text(text)
    with pytest.raises(ConfigurationRefused) as caught:
        load(here=tmp_path)
    assert caught.value.exit_code == 78
    assert str(caught.value).startswith(f"perennial.toml:{line}: ")
    assert cure in str(caught.value)
    assert "Value error" not in str(caught.value)


def test_a_word_is_found_in_its_own_section(tmp_path: Path) -> None:
    text = "[outreach]\nper_csm = 3\n[forecast]\nhorizon = 1 # per_csm\nper_csm = 4\n"
    (tmp_path / "perennial.toml").write_text(text)
    with pytest.raises(Fault, match=r"^perennial.toml:4: \[forecast\] horizon"):
        load(here=tmp_path)


def test_the_file_here_goes_before_the_one_beside_the_book(tmp_path: Path) -> None:
    beside = tmp_path / "data"
    beside.mkdir()
    assert load(here=tmp_path).home == tmp_path / ".perennial"
    assert load(beside, here=tmp_path).home == tmp_path / ".perennial"
    (beside / "perennial.toml").write_text("[outreach]\nper_csm = 3\n")
    found = load(beside, here=tmp_path)
    assert (found.home, found.choices.outreach.per_csm) == (beside / ".perennial", 3)
    (tmp_path / "perennial.toml").write_text("[outreach]\nper_csm = 4\n")
    found = load(beside, here=tmp_path)
    assert (found.home, found.choices.outreach.per_csm) == (tmp_path / ".perennial", 4)
    assert found.workspace.book_dir == beside
    assert load(beside, tmp_path / "state", tmp_path).home == tmp_path / "state"


@pytest.mark.fault("B04")
def test_the_digest_changes_with_every_choice_that_a_run_depends_on(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "perennial.toml").write_text(text)
        return load(here=tmp_path).digest

    base = digest("")
    choices = (
        "[outreach]\nper_csm = 3\n",
        "[forecast]\nnrr_target = 1.1\n",
        "[revenue]\nlate_renewal_days = 3\n",
        "[matrix]\nmedium_odds = 0.7\n",
    )
    assert len({base, *map(digest, choices)}) == 1 + len(choices)
    assert digest('[benchmarks]\nstage = "seed"\n') == base
    assert digest("[mlflow]\ntracking_uri = 'sqlite:///x.db'\n") == base
    assert digest("[outreach]\nper_csm = 10\n") == base  # the default, spelled out
