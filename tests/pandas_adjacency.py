"""The oracle's page on adjacency: which further product similar accounts own."""

from __future__ import annotations

from tests.pandas_contracts import in_force
from tests.pandas_known import Known
from tests.pandas_page import MISSING, Page

SIGNALS = Page()


def products(known: Known, account: str) -> set[str]:
    return {line["product"] for line in in_force(known, account) if line["product"]}


@SIGNALS.signal
def adjacency_share(known: Known, account: str) -> float:
    """Share of similar accounts that own the product which most of them own and it lacks.

    Similar: same peers, owning all of its products. Fewer than 5, or a book of one product: missing.
    """
    own = products(known, account)
    held = {name: products(known, name) for name in known.mrr.index}
    alike = [name for name in held if name != account and known.peers[name] == known.peers[account]]
    similar = [held[name] for name in alike if own and own <= held[name]]
    lacking = set().union(*held.values()) - own
    if len(similar) < 5 or len(set().union(*held.values())) < 2 or not own:
        return MISSING
    return max(
        (sum(one in theirs for theirs in similar) / len(similar) for one in lacking), default=0.0
    )
