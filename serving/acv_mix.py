"""The ACV mix of a published run: how its MRR divides among sizes of contract."""

from __future__ import annotations

import sqlalchemy as sa

from features.acv import ACV_SEGMENTS
from serving.database import reading
from serving.run_rows import rows_of

__all__ = ["acv_mix"]


def acv_mix(engine: sa.Engine, run: str) -> dict[str, float]:
    """Give each ACV segment's share of a run's MRR, the segments in their order.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    run : str
        The run's id.

    Returns
    -------
    dict of str to float
        ``smb``, ``mid-market``, ``enterprise``, ``strategic``; empty where nobody pays.
    """
    with reading(engine) as connection:
        s = rows_of(connection, run).c
        cases = [(s.mrr * 12 >= least, name) for least, name in reversed(ACV_SEGMENTS)]
        segment = sa.case(*cases, else_=ACV_SEGMENTS[0][1]).label("segment")
        wanted = sa.select(segment, sa.func.sum(s.mrr)).where(s.run_id == run, s.mrr > 0)
        found = {name: round(mrr, 6) for name, mrr in connection.execute(wanted.group_by(segment))}
    whole = sum(found.values())
    return {name: found[name] / whole for _, name in ACV_SEGMENTS if name in found}
