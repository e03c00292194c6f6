from __future__ import annotations

from pathlib import Path

import pytest

from features.contracts import TABLES
from features.faults import ConfigurationRefused, DataRejected, InputMissing
from features.mapping import TableSettings, read_workspace
from features.placement import place


def refused(folder: Path, text: str) -> str:
    path = folder / "perennial.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationRefused) as caught:
        read_workspace(path)
    assert caught.value.exit_code == 78
    assert caught.value.code == "config"
    return str(caught.value)


def test_without_a_file_every_default_holds() -> None:
    workspace = read_workspace(None, Path("exports"))
    assert (workspace.book.currency, workspace.book.timezone) == ("USD", "UTC")
    assert workspace.table("usage") == TableSettings()
    assert workspace.section("revenue") == {}


def test_paths_are_relative_to_the_file_unless_overridden(tmp_path: Path) -> None:
    path = tmp_path / "perennial.toml"
    path.write_text('[book]\npath = "exports"\n[revenue]\npreset = "board-ttm"\n')
    assert read_workspace(path).book_dir == tmp_path / "exports"
    assert read_workspace(path, Path("elsewhere")).book_dir == Path("elsewhere")
    assert read_workspace(path).directory == tmp_path
    assert read_workspace(path).section("revenue") == {"preset": "board-ttm"}


@pytest.mark.fault("C12")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[book\n", "perennial.toml:1: "),
        (
            '[book]\ncurency = "USD"',
            'perennial.toml:2: [book] curency: config: unknown key; did you mean "currency"?',
        ),
        ("[bok]\n", 'did you mean "book"?'),
        ("[tables.usages]\n", 'did you mean "usage"?'),
        ('[tables.usage]\ncolumns = { featur = "x" }', 'did you mean "feature"?'),
        ('[tables.usage]\nunits = { occurred_at = "epoch" }', 'unknown unit "epoch"'),
        ('[tables.usage]\nunits = { feature = "cents" }', 'unknown unit "cents"'),
        ('[book]\ncurrency = "EURO"', "ISO 4217"),
        ('[book]\ntimezone = "Mars/Olympus"', "IANA"),
        ("[book]\nfiscal_year_starts = 13", "12"),
        ('[tables.usage]\ngrain = "year"', "known: day, week, month"),
        ("book = 3", "write it as [book]"),
    ],
)
def test_what_the_file_may_not_say(tmp_path: Path, text: str, said: str) -> None:
    assert said in refused(tmp_path, text)


def test_a_file_that_is_not_there_is_66(tmp_path: Path) -> None:
    with pytest.raises(InputMissing):
        read_workspace(tmp_path / "perennial.toml")


def test_a_column_that_the_mapping_names_goes_there_only() -> None:
    header = ["account_id", "Product", "starts_on", "mrr", "segment"]
    placed = place(TABLES["subscriptions"], TableSettings(columns={"plan": "product"}), header, "s")
    assert placed.columns["plan"] == "Product"
    assert "product" not in placed.columns
    assert placed.ignored == ("segment",)


def test_further_columns_of_accounts() -> None:
    header = ["id", "name", "team", "size", "known_at"]

    def extras(**settings: object) -> dict[str, str]:
        given = TableSettings.model_validate({"columns": {"account_id": "id"}} | settings)
        return place(TABLES["accounts"], given, header, "a").extras

    assert extras() == {"team": "team", "size": "size"}
    assert extras(extra=["team"]) == {"team": "team"}
    assert extras(extra=[]) == {}
    assert extras(ignore=["team"]) == {"size": "size"}
    assert extras(columns={"account_id": "id", "group": "team"}) == {
        "group": "team",
        "size": "size",
    }
    with pytest.raises(DataRejected, match="tean"):
        extras(extra=["tean"])


def test_a_mapped_column_that_is_absent_is_missing() -> None:
    settings = TableSettings(columns={"feature": "event"})
    with pytest.raises(DataRejected, match="missing event"):
        place(TABLES["usage"], settings, ["account_id", "occurred_at", "feature"], "u")


@pytest.mark.parametrize("example", ["crm", "sponsors"])
def test_the_shipped_examples_are_valid(example: str) -> None:
    root = Path(__file__).resolve().parents[1] / "docs" / "examples"
    assert read_workspace(root / example / "perennial.toml").tables


def test_a_column_of_which_another_is_made_is_taken() -> None:
    settings = TableSettings(
        computed={"closed_on": "CASE WHEN \"Is Closed\" = 'true' THEN CloseDate END"},
        where="Kind <> 'x'",
    )
    header = ["opportunity_id", "account_id", "opened_on", "stage", "= closed_on"]
    placed = place(
        TABLES["opportunities"],
        settings,
        [*header, "is closed", "CloseDate", "kind", "Close"],
        "o.csv",
    )
    assert placed.ignored == ("Close",)
