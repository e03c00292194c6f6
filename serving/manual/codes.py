"""The page of codes, written from the places of the source where faults are raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from features import faults
from features.breaches import CURES
from serving.patience import Away

__all__ = ["Raised", "codes", "raised"]

FLOORS = ("features", "models", "training", "serving")
ROOT = Path(__file__).resolve().parents[2]
KINDS = {name: getattr(faults, name) for name in faults.__all__ if name != "Fault"} | {"Away": Away}
OPEN = "…"
HEAD = """# Codes: what is said when something is refused

Written by `make docs` from the source; a test fails when it is stale. A message says what was
found, then the code, then the cure. Scripts can rely on the code and on the
[exit code](cli.md#exit-codes). … stands for what differs from case to case, · between the cases of
one code; an empty cell: all of it differs. What is tried of this is told in [faults.md](faults.md).
"""
ROWS = """## Of a row

The row is set aside and counted (`perennial check` shows file, line and column); the rest goes on.

| code | cure |
|---|---|"""


@dataclass(frozen=True)
class Raised:
    """One place where a fault is raised.

    Attributes
    ----------
    code, found, cure : str
        As they are printed, with … for what differs from case to case.
    exit_code : int
        What the command ends with.
    """

    code: str
    found: str
    cure: str
    exit_code: int


def codes() -> str:
    """Write the page.

    Examples
    --------
    >>> print(codes().splitlines()[0])
    # Codes: what is said when something is refused
    """
    places = list(raised())
    kinds = sorted(KINDS.values(), key=lambda kind: kind.exit_code)
    rows = [f"| `{code}` | {_cell([cure])} |" for code, cure in sorted(CURES.items())]
    return "\n".join([HEAD, *(_section(kind, places) for kind in kinds), ROWS, *rows]) + "\n"


def raised() -> Iterator[Raised]:
    """Walk the source of every floor for the faults that it raises.

    Examples
    --------
    >>> next(one.exit_code for one in raised() if one.code == "feed.empty_file")
    65
    """
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            source = path.read_text(encoding="utf-8")
            if any(f"{kind}(" in source for kind in KINDS):
                yield from _raised_in(ast.parse(source))


def _section(kind: type[faults.Fault], places: Iterable[Raised]) -> str:
    of_kind = [one for one in places if one.exit_code == kind.exit_code]
    rows = []
    for code in sorted({one.code for one in of_kind}):
        found = _cell(one.found for one in of_kind if one.code == code)
        cure = _cell(one.cure for one in of_kind if one.code == code)
        rows.append(f"| `{code}` | {found} | {cure} |")
    head = ["| code | found | cure |", "|---|---|---|"]
    return "\n".join([f"## Exit {kind.exit_code}", "", kind.__doc__ or "", "", *head, *rows, ""])


def _cell(texts: Iterable[str]) -> str:
    """Join what is said in several cases, without those that say nothing of their own."""
    told = sorted({text for text in texts if text.strip(f"{OPEN}:. ")})
    return re.sub(r"([|<*])", r"\\\1", " · ".join(told))


def _raised_in(module: ast.Module) -> Iterator[Raised]:
    """Find the faults of a module; a name stands for the text that it was last given above."""
    named: dict[str, str] = {}
    nodes = [node for node in ast.walk(module) if isinstance(node, ast.Assign | ast.Call)]
    for node in sorted(nodes, key=lambda node: (node.lineno, isinstance(node, ast.Call))):
        if isinstance(node, ast.Assign):
            named |= {n.id: _said(node.value, {}) for n in node.targets if isinstance(n, ast.Name)}
        elif isinstance(node.func, ast.Name) and node.func.id in KINDS:
            code, found, cure, *_ = [*(_said(word, named) for word in node.args), "", ""]
            if code.strip(OPEN):
                yield Raised(code, found, cure, KINDS[node.func.id].exit_code)


def _said(word: ast.expr, named: dict[str, str]) -> str:
    """Give the text of an expression, as far as the source tells it."""
    match word:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_said(part, named) for part in parts)
        case ast.Name(id=name):
            return named.get(name, OPEN)
        case _:
            return OPEN
