"""The accounts of a simulated world: who they are, and the traits that nobody sees."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from training.worlds.names import company_names, person_name
from training.worlds.parameters import SEGMENTS, TERMS, Laws
from training.worlds.timeline import Days, Timeline, as_dates

__all__ = ["Roster", "accounts_table", "enlist", "traits"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

INDUSTRIES = ("software", "retail", "finance", "health", "manufacturing", "education", "media")
REGIONS = ("north-america", "europe", "asia-pacific", "latin-america")
CHANNELS = {"organic": 0.10, "paid": -0.30, "partner": 0.20, "outbound": 0.05, "referral": 0.35}
PER_CSM = (260, 60, 25)


@dataclass(frozen=True)
class Roster:
    """One entry per account that ever is a customer, in the order of ``account_id``.

    Attributes
    ----------
    segment, term, channel, currency : array of int
        Positions in ``SEGMENTS``, term in months, position in ``CHANNELS``, position in the
        world's currencies.
    acv : array of float
        Annual contract value at signing, in major units.
    signed : array of int
        Day number of signing, which may lie before the book opens.
    month, day_of_month : array of int
        When it starts to pay (a negative month: a customer when the book opens).
    soundness, growth : array of float
        Hidden traits: lasting part of health, and appetite for more.
    aligned : array of bool
        Whether its terms end with the fiscal year.
    has_feed : array of bool
        Whether its usage is tracked at all.
    """

    segment: Integers
    term: Integers
    channel: Integers
    currency: Integers
    acv: Floats
    signed: Days
    month: Integers
    day_of_month: Integers
    soundness: Floats
    growth: Floats
    aligned: NDArray[np.bool_]
    has_feed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.segment)

    def copies(self, who: Integers) -> Roster:
        """Give some accounts, each as often as it is named."""
        return Roster(**{part.name: getattr(self, part.name)[who] for part in fields(self)})

    @property
    def ids(self) -> NDArray[np.object_]:
        """Account ids, ``A00001`` onwards."""
        return np.array([f"A{number + 1:05d}" for number in range(len(self))], dtype=object)


def enlist(accounts: int, time: Timeline, laws: Laws, rng: np.random.Generator) -> Roster:
    """Draw the accounts of a world: some are customers when the book opens, others arrive."""
    segment = rng.choice(3, size=accounts, p=laws.segment_share)
    log_acv = np.log(laws.acv_median)[segment] + np.array(laws.acv_sigma)[segment] * (
        rng.standard_normal(accounts)
    )
    channel = rng.choice(len(CHANNELS), size=accounts, p=[0.34, 0.26, 0.12, 0.16, 0.12])
    month = _arrivals(accounts, time.months, laws.opening_share, rng)
    term = _terms(segment, laws, rng)
    aligned = (rng.random(accounts) < laws.fiscal_share) & (term > 1)
    day_of_month = np.where(aligned, 1, rng.integers(1, 29, size=accounts))
    age = np.minimum(rng.exponential(600.0, size=accounts).astype(np.int64) + 20, 2_200)
    signed_before = rng.integers(0, 25, size=accounts)
    starts = time.day(np.maximum(month, 0), day_of_month)
    soundness, growth = traits(channel, rng)
    return Roster(
        segment=segment,
        term=term,
        channel=channel,
        currency=rng.integers(0, len(laws.currencies), size=accounts),
        acv=np.exp(log_acv),
        signed=np.where(month < 0, time.start(0) - age, starts - signed_before),
        month=month,
        day_of_month=day_of_month,
        soundness=soundness,
        growth=growth,
        aligned=aligned,
        has_feed=rng.random(accounts) >= laws.no_feed_share,
    )


def traits(channel: Integers, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the hidden traits of accounts that sign: soundness (better in some channels), growth."""
    better = np.array(list(CHANNELS.values()))[channel]
    return better + 0.5 * rng.standard_normal(len(channel)), rng.standard_normal(len(channel))


def accounts_table(roster: Roster, last: int, rng: np.random.Generator) -> pd.DataFrame:
    """Write the accounts as the source table ``accounts``."""
    n = len(roster)
    employees = np.rint(roster.acv / 90.0 * np.exp(0.7 * rng.standard_normal(n))) + 3
    frame = pd.DataFrame(
        {
            "account_id": roster.ids,
            "name": company_names(n, rng),
            "segment": np.array(SEGMENTS, dtype=object)[roster.segment],
            "industry": rng.choice(np.array(INDUSTRIES, dtype=object), size=n),
            "region": rng.choice(np.array(REGIONS, dtype=object), size=n, p=[0.45, 0.3, 0.15, 0.1]),
            "acquisition_channel": np.array(list(CHANNELS), dtype=object)[roster.channel],
            "csm": _csms(roster.segment, rng),
            "parent_account_id": _parents(roster, rng),
            "employees": pd.array(employees, dtype="Int64"),
            "signed_on": as_dates(np.minimum(roster.signed, last)),
        }
    )
    frame.loc[rng.random(n) < 0.12, "employees"] = pd.NA
    return frame


def _arrivals(accounts: int, months: int, opening: float, rng: np.random.Generator) -> Integers:
    at_opening = max(1, round(accounts * opening))
    later = np.sort(rng.integers(0, months, size=accounts - at_opening))
    return np.concatenate([np.full(at_opening, -1, dtype=np.int64), later])


def _terms(segment: Integers, laws: Laws, rng: np.random.Generator) -> Integers:
    edges = np.cumsum(np.array(laws.term_share), axis=1)[segment]
    choice = (rng.random(len(segment))[:, None] > edges).sum(axis=1)
    return np.array(TERMS)[np.minimum(choice, len(TERMS) - 1)]


def _csms(segment: Integers, rng: np.random.Generator) -> NDArray[np.object_]:
    """Give every account a CSM; each CSM serves one segment."""
    names = np.empty(len(segment), dtype=object)
    hired = 0
    for which, load in enumerate(PER_CSM):
        mine = np.flatnonzero(segment == which)
        team = max(1, round(0.6 * len(mine) / load))
        members = [person_name(hired + k) for k in range(team)]
        names[mine] = np.array(members, dtype=object)[rng.integers(0, team, size=len(mine))]
        hired += team
    return names


def _parents(roster: Roster, rng: np.random.Generator) -> NDArray[np.object_]:
    """Make one account in twenty a subsidiary of an enterprise."""
    parents = np.full(len(roster), None, dtype=object)
    heads = np.flatnonzero(roster.segment == 2)[::3]
    children = np.flatnonzero((roster.segment < 2) & (rng.random(len(roster)) < 0.05))
    if len(heads):
        parents[children] = roster.ids[rng.choice(heads, size=len(children))]
    return parents
