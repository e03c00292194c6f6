"""Proposing: a ``perennial.toml`` for the files of a folder, every line with its ground."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb

from features.composing import book_section, worded
from features.contracts import TABLES
from features.desk import desk
from features.faults import Fault
from features.heads import Head, heads
from features.held import called_as_tests, held
from features.likeness import plain, tables_of
from features.monthly import monthly_block, monthly_gap
from features.named import named_block
from features.placement import place
from features.recognition import recognised
from features.reshaping import reshaped
from features.sources import SUFFIXES
from features.systems import System, system, system_names

__all__ = ["Proposal", "propose"]

SAID = re.compile(r'"([^"\\]+)"')
OPEN = re.compile(r"(?m)#.*?\bOPEN: (.*?):?$")
PRICELESS = ", or amount with interval_months (a CRM's contract has no price of its own: docs/systems-crm.md)"
OWN = 3
FEW = 20


@dataclass
class Proposal:
    """What is proposed for a folder.

    Attributes
    ----------
    text : str
        The ``perennial.toml``.
    tables : dict
        Table → the file that gives it, and on what ground.
    open : list of str
        What a person has to decide.
    unplaced : dict of str to str
        File → why no table is read from it.
    """

    text: str = ""
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)
    unplaced: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Give everything but the text."""
        return {"tables": self.tables, "open": self.open, "unplaced": self.unplaced}


def propose(folder: Path, now: datetime, path: str = ".") -> Proposal:
    """Read the headers of a folder and propose what they are.

    Parameters
    ----------
    folder : Path
        Where the files are; those in folders right below it are read too.
    now : datetime
        Instant that days to come are judged by.
    path : str
        What ``[book] path`` shall say.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "mrr.csv").write_text("Customer,Jan 2025,Feb 2025,Mar 2025\\nAda,1,2,3\\n")
    >>> made = propose(folder, datetime(2025, 7, 1, tzinfo=UTC))
    >>> made.tables["mrr_by_month"]
    {'file': 'mrr.csv', 'ground': '3 columns read as months, "%b %Y"'}
    """
    found, unread = heads(folder)
    proposal = Proposal(unplaced={each.place: each.why for each in unread})
    blocks: dict[str, str] = {}
    systems = [system(name) for name in system_names()]
    with desk() as connection:
        known = {head.place: _exports(head, systems) for head in found}
        for head in sorted(found, key=lambda head: _order(head, known)):
            for table, ground, block in _file(connection, head, known[head.place], now, proposal):
                _add(proposal, blocks, head, table, ground, block)
    _derive_accounts(proposal, blocks)
    _read_for_their_names(proposal)
    read = {head.place: head for head in found}
    book = book_section(path, _currency(proposal, blocks, read))
    proposal.open += called_as_tests(blocks, read)
    proposal.text = _text(proposal, blocks, book)
    return proposal


Blocks = list[tuple[str, str, str]]


def _file(
    connection: duckdb.DuckDBPyConnection,
    head: Head,
    known: dict[str, Blocks],
    now: datetime,
    proposal: Proposal,
) -> Blocks:
    """Give the tables that a file holds: a sheet of months, a known export, or one by its names."""
    if sheet := monthly_block(head):
        if gap := monthly_gap(head):
            proposal.unplaced[head.place] = gap
            return []
        return sheet
    most = max((len(blocks) for blocks in known.values()), default=0)
    best = {name: blocks for name, blocks in known.items() if len(blocks) == most}
    if len(best) == 1:
        return next(iter(best.values()))
    if best:
        proposal.unplaced[head.place] = f"an export of {' or of '.join(best)}: name it with --from"
        return []
    return _by_names(connection, head, now, proposal)


def _order(head: Head, known: dict[str, dict[str, Blocks]]) -> tuple[bool, bool]:
    """Put a file that is called as a table first, then known exports."""
    return _called(head) not in TABLES, not known[head.place]


def _exports(head: Head, systems: list[System]) -> dict[str, Blocks]:
    """Give the systems of which a file is an export, each with its blocks."""
    return {each.name: blocks for each in systems if (blocks := _known(head, each))}


def _known(head: Head, each: System) -> Blocks:
    """Give the blocks of a system whose columns the file has, and whose expressions read it."""
    reads = [
        name for name in each.tables if each.name != "spreadsheet" and _reads(head, each, name)
    ]
    strong = [name for name in reads if len(_particular(each, name)) >= OWN]
    sources = {each.tables[name].source for name in strong}
    ground = f"a known export: {each.about}"
    return [
        (name, ground, _sourced(each.blocks[name], head.place))
        for name in reads
        if each.tables[name].source in sources
    ]


def _particular(each: System, table: str) -> set[str]:
    """Give the columns that a table of a system names and that the contract does not know."""
    settings, known = each.tables[table], {column.name for column in TABLES[table].columns}
    words = [*settings.computed.values(), settings.where or ""]
    named = set(settings.columns.values()) | {name for text in words for name in SAID.findall(text)}
    return {name for name in named if name.casefold() not in known}


def _reads(head: Head, each: System, table: str) -> bool:
    settings = each.tables[table]
    if not isinstance(settings.source, str):
        return False
    there = {name.casefold() for name in head.header}
    if not all(name.casefold() in there for name in settings.columns.values()):
        return False
    try:
        read = reshaped(head.rows, settings, table)
        place(TABLES[table], settings, list(read.rows.column_names), head.place)
    except Fault:
        return False
    return True


def _sourced(block: str, source: str) -> str:
    line = f"source = {worded(source)}"
    return re.sub(r'(?m)^source = ".*?"', lambda _: line, block, count=1)


def _by_names(
    connection: duckdb.DuckDBPyConnection, head: Head, now: datetime, proposal: Proposal
) -> Blocks:
    tried = [recognised(connection, head, table, now) for table in tables_of(head.place)]
    whole = [each for each in tried if not each.missing]
    if len(whole) == 1 or (whole and whole[0].table == _called(head)):
        return [(whole[0].table, "the name of the file", named_block(head, whole[0]))]
    if not tried:
        proposal.unplaced[head.place] = (
            "its name speaks for no table: name it as one (docs/tables.md)"
        )
    elif whole:
        names = " or ".join(each.table for each in whole)
        proposal.unplaced[head.place] = f"its name and columns speak for {names}: name it as one"
    else:
        nearest = min(tried, key=lambda each: len(each.missing))
        if nearest.table in proposal.tables:
            proposal.unplaced[head.place] = _given(proposal, nearest.table, nearest.table)
            return []
        found = f"as {nearest.table} it lacks {', '.join(nearest.missing)}"
        found += PRICELESS if nearest.missing == ("mrr",) else ""
        if nearest.left:
            more = ", …" if len(nearest.left) > FEW else ""
            found += f"; not placed: {', '.join(map(worded, nearest.left[:FEW]))}{more}"
        proposal.unplaced[head.place] = found
        proposal.open += [f"{head.place}: {each}" for each in nearest.open]
    return []


def _called(head: Head) -> str:
    """Give the name of its file, as tables are called; a file called as one goes before others."""
    return plain(PurePosixPath(head.place).name.split(".")[0])


def _add(
    proposal: Proposal, blocks: dict[str, str], head: Head, table: str, ground: str, block: str
) -> None:
    """Add a table, unless another file gave it, or the other form of revenue."""
    other = {"subscriptions": "mrr_by_month", "mrr_by_month": "subscriptions"}.get(table, table)
    holder = table if table in blocks else other
    if holder in blocks:
        first = proposal.tables[holder]["file"]
        if first != head.place:
            proposal.unplaced[head.place] = _given(proposal, table, holder)
        return
    blocks[table] = block
    said = [*OPEN.findall(block), *OPEN.findall(f"# {ground}")]
    proposal.open += [new for each in said if (new := f"{head.place}: {each}") not in proposal.open]
    proposal.tables[table] = {"file": head.place, "ground": ground}


def _given(proposal: Proposal, table: str, holder: str) -> str:
    return f"{table}: {proposal.tables[holder]['file']} gives {holder} already"


def _read_for_their_names(proposal: Proposal) -> None:
    """Say which files are read all the same, because they are called as tables are."""
    for name, why in proposal.unplaced.items():
        table = name.split(".")[0]
        if table in TABLES and table not in proposal.tables and name.endswith(SUFFIXES):
            proposal.unplaced[name] = f"{why}; for its name it is read all the same: rename it"


def _currency(proposal: Proposal, blocks: dict[str, str], read: dict[str, Head]) -> str:
    """Give the one currency of the lines of revenue; leave several without rates open."""
    for table in ("subscriptions", "mrr_by_month"):
        found = sorted(held(blocks, read, table, "currency", str.upper))
        if len(found) > 1 and "fx_rates" not in blocks:
            said = f"{proposal.tables[table]['file']}: amounts in {' and '.join(found)}"
            cure = "a file fx_rates.csv (currency,date,rate) has to say what one unit is worth in"
            first = "the book's currency on the first day of each year (docs/tables.md)"
            proposal.open.append(f"{said}: {cure} {first}")
        if len(found) == 1:
            return found[0]
    return ""


def _derive_accounts(proposal: Proposal, blocks: dict[str, str]) -> None:
    """Take the customers of the lines as accounts where no file holds accounts."""
    lines = blocks.get("subscriptions", "")
    found = re.search(r"(?m)^(?:columns\.)?account_id = (\".*?\")", lines)
    if "accounts" in blocks or not found:
        return
    place = proposal.tables["subscriptions"]["file"]
    ground = f"no file of accounts: the customers of {place}"
    kept = [line for line in lines.splitlines() if line.startswith(("delimiter", "encoding"))]
    head = ["[tables.accounts]", f"# {ground}", f"source = {worded(place)}", *kept]
    blocks["accounts"] = "\n".join([*head, f"columns.account_id = {found[1]}", "extra = []"])
    proposal.tables["accounts"] = {"file": place, "ground": ground}


def _text(proposal: Proposal, blocks: dict[str, str], book: str) -> str:
    parts = [
        "# perennial.toml, proposed by `perennial init --book`: the ground of every line beside it.\n"
        "# Read it before you believe a figure; then `perennial check`.\n",
        book,
    ]
    if proposal.open:
        parts.append("\n# OPEN, a person has to decide:\n")
        parts += [f"# - {each}\n" for each in proposal.open]
    if proposal.unplaced:
        parts.append("\n# NOT READ:\n")
        parts += [f"# - {place}: {why}\n" for place, why in proposal.unplaced.items()]
    for table in TABLES:
        if table in blocks:
            parts.append(f"\n# {proposal.tables[table]['ground']}\n{blocks[table]}\n")
    return "".join(parts)
