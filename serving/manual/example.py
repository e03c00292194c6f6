"""What the README shows of the demo, cut out of what the demo printed."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["cut_out", "show"]

TITLE = "Forecast of the paying accounts' MRR"
BLOCK = re.compile(r"(\$ make demo\n⋮[^\n]*\n).*?(?=\$ make test\n)", re.DOTALL)


def cut_out(printed: str) -> str:
    r"""Give the forecast's table, from its title to its last line.

    Examples
    --------
    >>> cut_out("Matrix\n└─┘\nForecast of the paying accounts' MRR  \n│ 1 │\n└───┘\nNRR = …\n")
    "Forecast of the paying accounts' MRR\n│ 1 │\n└───┘\n"
    """
    lines = [line.rstrip() for line in printed.splitlines()]
    begin = lines.index(TITLE)
    end = next(at for at in range(begin, len(lines)) if lines[at].startswith("└"))
    return "".join(f"{line}\n" for line in lines[begin : end + 1])


def show(output: Path, readme: Path) -> None:
    """Put the table of ``output`` into the README's first block, in place of what stood there."""
    block = cut_out(output.read_text(encoding="utf-8"))
    text = readme.read_text(encoding="utf-8")
    readme.write_text(BLOCK.sub(lambda found: found[1] + block, text, count=1), encoding="utf-8")
