"""The page of a bulk scoring."""

from __future__ import annotations

from serving.terminal.paper import Body, money, tell, write
from serving.terminal.run import matrix

__all__ = ["in_bulk"]


def in_bulk(body: Body) -> None:
    """Say what was scored, where it lies, and how the cells are filled."""
    state = "scored" if body["made"] else "scored already: nothing to do"
    write(f"{body['folder']}: {state}, {body['accounts']:,} accounts as of {body['as_of']}")
    matrix(body)
    write(
        f"MRR {money(body['mrr'])} {body['currency']} a month; in {body['horizon_months']} months "
        f"{money(body['expected_mrr'])} in the mean: expansion {money(body['expected_expansion_mrr'])}, "
        f"contraction and churn {money(body['expected_loss_mrr'])}"
    )
    tell("means without an interval: `perennial forecast` gives one, of a run of `perennial score`")
    if body["unscorable"]:
        tell(f"{body['unscorable']:,} accounts could not be scored; status_reason says why")
    if "published" in body:
        write(
            "PostgreSQL: " + ("replaced" if body["published"] else "this run stands there already")
        )
