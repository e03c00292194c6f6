"""A small published book whose every account can be told apart in any answer: canaries.

Two runs, a week apart; ids, names, MRR and contacts are such as stand nowhere by chance. It keeps
its outlook, its facts and its details, so that every route of the API and every page has something
to show.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from serving.facts import Facts
from serving.outlooks import packed
from serving.store import Publication, Store
from tests.example_metrics import METRICS
from tests.example_publication import ACCOUNTS, NOW, example
from tests.test_account_page import DETAIL
from tests.test_scenario import BASIS, BOOK

__all__ = ["CANARIES", "Canary", "against_actual", "of_csm", "published", "scored"]

_FIGURE: dict[str, Any] = {
    "definition": "MRR gained", "target": None, "series": None, "reason": None, "beside": {},
    "unit": "USD", "period": {"from": "2025-05-31", "to": "2025-06-30"},
}  # fmt: skip
_EXPANSION: dict[str, Any] = {
    "as_of": "2025-07-01",
    "currency": "USD",
    "figures": [
        _FIGURE
        | {
            "figure": "expansion_mrr",
            "name": "Expansion MRR",
            "value": 500.25,
            "beside": {"new_logo_mrr": 900.0, "weekly": None},
        },
        _FIGURE | {"figure": "pipeline", "name": "Pipeline", "value": None, "reason": "no table"},
        _FIGURE
        | {
            "figure": "no_expansion_24m",
            "name": "None in 24 months",
            "value": 1,
            "unit": "accounts",
            "beside": {
                "mrr": 1.0,
                "share_of_accounts": 0.1,
                "share_of_mrr": 0.1,
                "paid_so_long": 10,
                "listed": [
                    {
                        "account_id": "quol03",
                        "mrr": 1.0,
                        "months_paying": 30,
                        "last_expansion": None,
                    }
                ],
            },
        },
    ],
}


@dataclass(frozen=True)
class Canary:
    """An account by which an answer can be told to speak of it.

    Attributes
    ----------
    account_id, name, contact : str
    csm : str or None
    mrr : float
    """

    account_id: str
    name: str
    csm: str | None
    mrr: float
    contact: str

    @property
    def marks(self) -> tuple[str, ...]:
        """Give what stands in an answer that speaks of it, however the answer is written."""
        whole = int(self.mrr)
        amounts = (str(whole), f"{whole:,}", f"{whole:,}".replace(",", "\u202f"))
        number = self.name[-2:]
        return (f"quol{number}", f"Zwick{number}", self.contact.split(" ")[1], *amounts)


def _canary(place: int, row: tuple[Any, ...]) -> Canary:
    number = row[0][1:]
    name = f"{row[1]} Zwick{number}"
    mrr = 4_173_062.0 + 617_389 * place + 0.25
    return Canary(_id(row[0]), name, row[3], mrr, f"Mona Kontakt{number}")


def _id(name: str) -> str:
    """Give an id that carries its mark; some have letters that addresses must write otherwise."""
    number = name[1:]
    return {"03": f"é/quol{number}", "07": f". quol{number}"}.get(number, f"quol{number}")


CANARIES = {row[0]: _canary(place, row) for place, row in enumerate(ACCOUNTS)}
"""By the id of the example's account."""


def of_csm(csm: str | None) -> list[Canary]:
    """List the accounts of one CSM."""
    return [one for one in CANARIES.values() if one.csm == csm]


def published(home: Path) -> Store:
    """Publish two weeks into a home."""
    store = Store.open(home)
    store.publish(_marked(example(date(2025, 6, 24))), now=NOW)
    store.publish(_marked(example(), _facts()), now=NOW)
    return store


def scored(names: Iterable[str]) -> list[dict[str, Any]]:
    """Score named accounts, as a process that has a model does."""
    known = {one.account_id: one for one in CANARIES.values()}
    found = [known[name] for name in names if name in known]
    return [_row(one) for one in found]


def against_actual() -> dict[str, Any]:
    """Lay forecasts beside what happened: there are none yet."""
    return {
        "as_of": "2025-07-01",
        "currency": "USD",
        "definition": {},
        "reporting_lag_days": 31,
        "horizons": {},
    }


def _row(one: Canary) -> dict[str, Any]:
    return {"account_id": one.account_id, "name": one.name, "csm": one.csm, "mrr": one.mrr}


def _marked(publication: Publication, facts: Facts | None = None) -> Publication:
    """Put the canaries in the place of the example's accounts."""
    scores, outreach = publication.scores.copy(), publication.outreach.copy()
    for frame in (scores, outreach):
        canaries = [CANARIES[name] for name in frame["account_id"]]
        frame["account_id"] = [one.account_id for one in canaries]
        frame["name"] = [one.name for one in canaries]
        frame["mrr"] = [one.mrr for one in canaries]
    told = {str(horizon): BASIS.told(BOOK, horizon) for horizon in (1, 3, 12)}
    kept = {"outlook": packed(BOOK, BOOK.accounts), "basis": BASIS.to_json(), "forecast": told}
    return replace(publication, scores=scores, outreach=outreach, facts=facts or Facts(), **kept)


def _facts() -> Facts:
    return Facts(METRICS, _EXPANSION, dict(_details()))


def _details() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in CANARIES.values():
        people = [row | {"contact": one.contact} for row in DETAIL["contacts"]]
        stones = [row | {"contact": one.contact} for row in DETAIL["milestones"]]
        yield one.account_id, DETAIL | {"contacts": people, "milestones": stones}
