"""A measure: what a window shows, for the whole book or one cut of it, in exact micro-units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from features.windows import Window

__all__ = ["SMALL_COHORT", "Measure", "with_flows"]

SMALL_COHORT = 20
"""A cohort of fewer accounts says that it is small."""


@dataclass(frozen=True)
class Measure:
    """What a window shows, for the whole book or one cut of it, in exact micro-units.

    Attributes
    ----------
    window : Window
        From which month-end to which.
    cut : dict
        Column and value of the cut; empty for the whole book.
    cohort : dict of str to int
        ``accounts`` that paid at the opening, ``lost`` of them; their ``opening``,
        ``expansion``, ``contraction``, ``churned``, ``closing`` (net per account, or the sums
        of monthly movements); ``kept`` (the lesser of opening and closing, or the opening less
        the losses) and ``organic`` (expansion by seats, tier, product and usage). In a book
        with usage-billed lines also ``usage_opening`` and ``usage_closing``, parts of opening
        and closing. Where the rules add the returns of others to NRR also ``reactivation``.
    flows : dict of str to int
        ``opening``, the monthly movements of all accounts by class and by lever, the parts of
        ``churned`` by kind, ``closing`` and ``grace`` (part of closing).
    blend : float, optional
        Of the row "moved between lines" only: the lines' NRR, weighted by their opening MRR.
    moved : bool
        Whether this is the row "moved between lines".
    """

    window: Window
    cut: Mapping[str, str | None]
    cohort: dict[str, int]
    flows: dict[str, int]
    blend: float | None = None
    moved: bool = False

    def ratio(self, numerator: int) -> float | None:
        """Divide by the cohort's opening MRR; None where nobody paid then."""
        return numerator / self.cohort["opening"] if self.cohort["opening"] else None

    @property
    def nrr(self) -> float | None:
        """Cohort's MRR at the closing over its MRR at the opening.

        Where the rules say so, with what others' returns brought added to it.
        """
        return self.ratio(self.cohort["closing"] + self.cohort.get("reactivation", 0))

    @property
    def grr(self) -> float | None:
        """The same, no account counted above what it paid at the opening."""
        return self.ratio(self.cohort["kept"])

    @property
    def organic_nrr(self) -> float | None:
        """The same as NRR, of expansion only what seats, tier, product and usage brought."""
        return self.ratio(self.cohort["kept"] + self.cohort["organic"])

    @property
    def logo_churn(self) -> float | None:
        """Accounts that pay nothing at the closing over accounts that paid at the opening.

        What moved between lines has none: it is an amount, and no account.
        """
        accounts = self.cohort["accounts"]
        return self.cohort["lost"] / accounts if accounts and not self.moved else None


def with_flows(cohorts: list[Measure], flows: list[Measure]) -> list[Measure]:
    """Give each of the first measures the flows that the others have of its window and cut."""
    found = {_key(measure): measure.flows for measure in flows}
    none = dict.fromkeys(cohorts[0].flows, 0) if cohorts else {}
    return [replace(measure, flows=found.get(_key(measure), none)) for measure in cohorts]


def _key(measure: Measure) -> tuple[object, ...]:
    return measure.window, tuple(measure.cut.items()), measure.moved
