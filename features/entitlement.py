"""Entitlement: which features of the catalogue an account may use, by its products and plans.

An account may use a feature if it has a line of the feature's product in force, and one on the
feature's lowest plan or a higher one (by the rank of plans). What the book does not say does not
bar: a feature without product or plan, a plan without rank, an account whose lines name none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.terms import alive
from features.view import View

__all__ = ["Rights", "rights_of"]

Held = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Rights:
    """What the paying accounts may use.

    Attributes
    ----------
    kinds : Series
        Index as ``view.standing``: accounts with the same products and plans are of one kind.
    grants : DataFrame
        One row per kind and feature of the catalogue: kind, feature, tier, granted.
    """

    kinds: pd.Series
    grants: pd.DataFrame

    def count(self, tier: str | None = None) -> pd.Series:
        """Count the features (of a tier) that each account may use."""
        granted = self.grants[self.grants["granted"]]
        if tier is not None:
            granted = granted[granted["tier"] == tier]
        counts = granted.groupby("kind").size()
        return self.kinds.map(counts).fillna(0).astype(float)


def rights_of(view: View) -> Rights:
    """Work out what each paying account may use, from its lines in force on the day before."""
    catalog = view.book.table("feature_catalog").collect("pandas").to_native()
    catalog = catalog.drop_duplicates("feature").sort_values("feature")
    held = _held(view)
    ways = {way: kind for kind, way in enumerate(sorted(set(held), key=sorted))}
    ranks = _ranks(view)
    grants = [
        (kind, row["feature"], row["tier"], _may(row, way, ranks))
        for way, kind in ways.items()
        for row in catalog.to_dict("records")
    ]
    told = pd.DataFrame(grants, columns=["kind", "feature", "tier", "granted"])
    return Rights(held.map(ways), told.astype({"granted": bool}))


def _held(view: View) -> pd.Series:
    """Give each account's products and plans in force; in grace, those of its main line."""
    columns = ["account_id", "product", "plan"]
    now, main = alive(view.lines, view.today - 1)[columns], view.standing.reset_index()[columns]
    graced = ~main["account_id"].astype(object).isin(now["account_id"].astype(object))
    lines = pd.concat([now, main[graced]])
    code, pairs = pd.MultiIndex.from_frame(lines[columns[1:]]).factorize()
    lines = lines.assign(code=code).drop_duplicates(["account_id", "code"])
    lines = lines.sort_values(["account_id", "code"])
    told: dict[str, tuple[int, ...]] = {}
    for account, each in zip(lines["account_id"].tolist(), lines["code"].tolist(), strict=True):
        told[account] = (*told.get(account, ()), each)
    sets = {way: frozenset(pairs[list(way)]) for way in set(told.values())}
    held = {account: sets[way] for account, way in told.items()}
    return pd.Series(held, dtype=object).reindex(view.standing.index)


def _ranks(view: View) -> dict[str, float]:
    """Give the rank of each plan that has one."""
    if not view.book.has("plans"):
        return {}
    plans = view.book.table("plans").select("plan", "rank").collect("pandas").to_native()
    ranked = plans.dropna()
    return dict(zip(ranked["plan"], ranked["rank"].astype(float), strict=True))


def _may(feature: dict[Any, Any], held: Held, ranks: dict[str, float]) -> bool:
    """Say whether a feature is granted to an account that holds some products and plans."""
    product, least = feature["product"], ranks.get(feature["min_plan"])
    named = {each for each, _ in held if each}
    if isinstance(product, str) and named and product not in named:
        return False
    of_product = {
        plan for each, plan in held if not isinstance(product, str) or each in ("", product)
    }
    ranked = [ranks[plan] for plan in of_product if plan in ranks]
    return least is None or not ranked or max(ranked) >= least
