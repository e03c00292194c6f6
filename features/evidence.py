"""Evidence: the figures of one window from which cautions are raised."""

from __future__ import annotations

from dataclasses import dataclass

from features.measure import Measure

__all__ = ["Activation", "Evidence"]


@dataclass(frozen=True)
class Activation:
    """How many accounts of a signing cohort were activated within 30 days.

    Attributes
    ----------
    cohort : str
        When they signed, e.g. ``"2025-Q1"``.
    accounts : int
        Accounts of the cohort whose first 30 days are over and covered by usage.
    activated : int
        Those of them that reached the milestone within 30 days of their first paid day.
    nrr : float or None
        NRR of the whole cohort over the window; None if nobody of it paid at the opening.

    Examples
    --------
    >>> Activation("2025-Q1", accounts=40, activated=30, nrr=0.97).rate
    0.75
    """

    cohort: str
    accounts: int
    activated: int
    nrr: float | None

    @property
    def rate(self) -> float | None:
        """Activated accounts over accounts; None for an empty cohort."""
        return self.activated / self.accounts if self.accounts else None


@dataclass(frozen=True)
class Evidence:
    """What is known of one window; what is not given raises nothing.

    Attributes
    ----------
    whole : Measure
        The window over the whole book.
    segments : tuple of Measure
        The same window by segment (``cut["segment"]``).
    largest : tuple of int
        The cohort's largest expansions by account, in micro-units, largest first.
    series : tuple of Measure
        Earlier windows of the same length over the whole book, in any order.
    cohorts : tuple of Measure
        The same window by acquisition cohort (``cut`` has one entry, e.g. ``cohort``).
    top_fifth : Measure or None
        The same window over the fifth of its cohort's accounts that paid most at the opening.
    price_rises : int or None
        What prices added to the expansion movements of the window, in micro-units; None where
        the book cannot tell (no seats and no plans: price is then only what is left over).
    levers_active : tuple of str or None
        Those of seat, tier, product and usage that brought expansion; None where the book
        cannot tell.
    activation : tuple of Activation
        By signing cohort.
    no_activation : str
        Why activation is not known; empty if it is, or if nobody asked.
    returns : tuple of int
        Accounts that came back in the window, and those of them that were away for one month.
    """

    whole: Measure
    segments: tuple[Measure, ...] = ()
    largest: tuple[int, ...] = ()
    series: tuple[Measure, ...] = ()
    cohorts: tuple[Measure, ...] = ()
    top_fifth: Measure | None = None
    price_rises: int | None = None
    levers_active: tuple[str, ...] | None = None
    activation: tuple[Activation, ...] = ()
    no_activation: str = ""
    returns: tuple[int, int] = (0, 0)
