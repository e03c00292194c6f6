"""Adjacency: which further product the book itself suggests, from what similar accounts own.

Similar to an account are those of its peers (dated segment, else band of annual contract value)
that own all of its products. Its neighbour is the product that most of them own and it does not.
It is found over the whole book, before any account is picked out of it.
"""

from __future__ import annotations

from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from features.rollup import day_number
from features.signal import Family, signal
from features.terms import alive
from features.view import View

__all__ = ["FAMILY", "neighbours"]

FEWEST = 5
MOST_PRODUCTS = 62
Numbers = np.ndarray[Any, np.dtype[np.int64]]


def neighbours(held: pd.DataFrame) -> pd.DataFrame:
    """Find the neighbour of every account.

    Parameters
    ----------
    held : DataFrame
        ``account_id, product, peers``: one row per account and product in force.

    Returns
    -------
    DataFrame
        Index account_id, sorted; ``share`` of the similar accounts that own the neighbour (NaN:
        fewer than 5 similar accounts, or a book of one product; 0: they own nothing else) and
        ``product``, its name (None where there is none; of equals the first by name).

    Examples
    --------
    >>> owned = [("a", "crm")] + [(f"b{n}", p) for n in range(5) for p in ("crm", "mail")]
    >>> held = pd.DataFrame(owned, columns=["account_id", "product"]).assign(peers="smb")
    >>> neighbours(held).loc["a"].to_dict()
    {'share': 1.0, 'product': 'mail'}
    """
    if held["product"].nunique() < 2:
        return pd.DataFrame(columns=["share", "product"])
    groups = [_of_peers(group) for _, group in held.groupby("peers", sort=True)]
    return pd.concat(groups).sort_index()


def _of_peers(held: pd.DataFrame) -> pd.DataFrame:
    """Find the neighbours within one group of peers."""
    products = _products(held)
    bit = held["product"].map({name: 1 << place for place, name in enumerate(products)})
    sets = bit.fillna(0).astype(np.int64).groupby(held["account_id"]).sum()
    kinds, of_kind, many = np.unique(sets.to_numpy(), return_inverse=True, return_counts=True)
    owns = (kinds[:, None] >> np.arange(len(products))) & 1
    told = [_of_kind(place, kinds, many, owns, products) for place in range(len(kinds))]
    shares, names = zip(*told, strict=True)
    rows = {"share": np.array(shares)[of_kind], "product": np.array(names, dtype=object)[of_kind]}
    return pd.DataFrame(rows, index=sets.index)


def _products(held: pd.DataFrame) -> list[str]:
    """List the products by name: those owned most often, where there are very many."""
    owners = held["product"].value_counts().rename_axis("name").reset_index(name="owners")
    most = owners.sort_values(["owners", "name"], ascending=[False, True])
    return sorted(most["name"].head(MOST_PRODUCTS))


def _of_kind(
    place: int, kinds: Numbers, many: Numbers, owns: Numbers, products: list[str]
) -> tuple[float, str | None]:
    """Find the neighbour of the accounts that own one set of products."""
    similar = (kinds & kinds[place]) == kinds[place]
    others = int(many[similar].sum()) - 1
    if others < FEWEST:
        return float("nan"), None
    owners = (many[similar] @ owns[similar]) * (1 - owns[place])
    best = int(np.argmax(owners))
    return float(owners[best] / others), products[best] if owners[best] else None


def _neighbour(view: View) -> dict[str, pd.Series]:
    """Give each account's neighbour: its name, who owns it, whether somebody of its area is known."""
    now = alive(view.lines, view.today - 1)
    owned = now.loc[now["product"] != "", ["account_id", "product"]].drop_duplicates()
    held = owned.join(view.standing["peers"], on="account_id", how="inner")
    told = neighbours(held).reindex(view.standing.index)
    return {
        "adjacency__share": told["share"].astype(float),
        "adjacent_product": told["product"],
        "adjacent_contact": _known_there(told["product"], view),
    }


def _known_there(product: pd.Series, view: View) -> pd.Series:
    """Say whether a contact who is still there works in the product's area; None if nobody can."""
    answer = pd.Series(None, index=product.index, dtype="object")
    if not view.book.has("contacts"):
        return answer
    contacts = view.book.table("contacts").with_columns(day=day_number("left_on"))
    there = contacts.filter(nw.col("day").is_null() | (nw.col("day") >= view.today))
    rows = there.select("account_id", "area").collect().to_pandas().dropna()
    areas = rows["area"].astype(str).str.strip().str.casefold()
    known = set(zip(rows["account_id"].astype(str), areas, strict=True))
    for account, name in product.dropna().items():
        answer[account] = (str(account), str(name).strip().casefold()) in known
    return answer


SIGNALS = (
    signal("adjacency_share", "share", None, 0, 1,
           "share of similar accounts (same peers, owning all of its products) that own the "
           "product which most of them own and it lacks",
           "{value:.0%} of similar accounts own a product that it lacks",
           nw.col("adjacency__share"),
           missing="fewer than 5 similar accounts, or the book sells one product",
           zero="similar accounts own nothing that it lacks"),
)  # fmt: skip

FAMILY = Family(
    "adjacency", SIGNALS, facts=(_neighbour,), evidence=("adjacent_product", "adjacent_contact")
)
