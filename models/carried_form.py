"""The form of what a bundle carries: every key, type, length and bound, proven before it is used.

A contract whose digest is right may still be another program's, or a forger's. What is lacking,
of another type, of another length or out of bounds is refused by name. Keys that are not known
here are let through: a later training may say more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.consumption import PAST_MONTHS
from features.faults import DataRejected
from models.bands import POOLED
from models.calendar import BANDS, COLUMNS
from models.combined import OURS
from models.creep import DECIDED
from models.outcomes import LEADS
from models.target import LEAD_GROUPS, TARGETS
from models.topdown import RIVALS

__all__ = ["OBJECTIVE", "refuse_contradictions", "refuse_other_form"]

OBJECTIVE = "binary sigmoid:1"
"""What every booster was trained for: its raw score is a logit."""
LARGEST = 1e12
ROUNDING = 1e-9
_CURE = "run `perennial train` again"

Event = Literal["churn", "expand", "contract"]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Share = Annotated[float, Field(ge=0, le=1)]
Inside = Annotated[float, Field(gt=0, lt=1)]
Growing = Annotated[float, Field(ge=-10, le=10)]
Moments = Annotated[list[Number], Field(min_length=3, max_length=3)]
PerLead = Annotated[list[Number], Field(min_length=LEADS, max_length=LEADS)]
ByLead = Annotated[list[Moments], Field(min_length=LEADS, max_length=LEADS)]
PerGroup = Annotated[list[Number], Field(min_length=len(LEAD_GROUPS), max_length=len(LEAD_GROUPS))]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class _Calendar(_Part):
    intercept: Number
    weights: list[list[Number]]
    cumulative: bool


class _Ridge(_Part):
    centre: list[Number]
    width: list[Annotated[float, Field(gt=0, le=LARGEST)] | None]
    weights: list[Number]


class _Calibration(_Part):
    kind: Literal["identity", "intercept", "logistic", "beta"]
    early: Number
    late: Number
    a: Number
    b: Number


class _Target(_Part):
    target: Event
    rung: Literal["prior-driven", "ridge", "blend", "tuned blend"]
    events: Annotated[int, Field(ge=0, le=10**12)]
    calendar: _Calendar
    ridge: _Ridge | None
    booster: bool
    levels: Annotated[list[PerLead], Field(min_length=len(BANDS), max_length=len(BANDS))]
    gains: PerGroup
    calibration: _Calibration
    serves: Literal["score", "calendar"]


class _Growth(_Part):
    level: Annotated[float, Field(ge=-100, le=100)]
    slopes: Annotated[list[Number], Field(min_length=3, max_length=3)]
    centres: Annotated[list[Number], Field(min_length=3, max_length=3)]
    factors: ByLead
    cap: Annotated[float, Field(gt=0, le=LARGEST)]


class _Creep(_Part):
    up: Annotated[list[ByLead], Field(min_length=DECIDED, max_length=DECIDED)]
    down: Annotated[list[ByLead], Field(min_length=DECIDED, max_length=DECIDED)]


class _Sizes(_Part):
    growth: _Growth
    plain: _Growth
    down: Annotated[list[ByLead], Field(min_length=len(BANDS), max_length=len(BANDS))]
    creep: _Creep


class _Metered(_Part):
    pace: Annotated[list[Growing], Field(min_length=len(BANDS), max_length=len(BANDS))]
    pull: Annotated[
        list[Annotated[list[Share], Field(min_length=LEADS, max_length=LEADS)]],
        Field(min_length=len(PAST_MONTHS) + 1, max_length=len(PAST_MONTHS) + 1),
    ]
    slope: Annotated[list[Growing], Field(min_length=1, max_length=1)]
    usual: Annotated[list[Number], Field(min_length=len(BANDS), max_length=len(BANDS))]
    level: Annotated[list[Growing], Field(min_length=LEADS, max_length=LEADS)]
    spread: Annotated[
        list[Annotated[float, Field(ge=0, le=10)]], Field(min_length=LEADS, max_length=LEADS)
    ]
    fall: Annotated[list[Share], Field(min_length=LEADS, max_length=LEADS)]
    fallen: Annotated[
        list[Annotated[list[Share], Field(min_length=3, max_length=3)]],
        Field(min_length=LEADS, max_length=LEADS),
    ]


class _Bands(_Part):
    risk: dict[str, Annotated[list[Inside], Field(min_length=2, max_length=2)]]
    expansion: Annotated[list[Inside], Field(min_length=2, max_length=2)]
    quarter: str
    rule: str = ""


class _Factor(_Part):
    strength: Annotated[float, Field(ge=0, le=1000)]
    n_eff: Annotated[float, Field(ge=0, le=LARGEST)]
    stretch: Annotated[float, Field(ge=0.5, le=10)]


class _Interval(_Part):
    mean: Number
    p10: Number
    p90: Number


class _Period(_Part):
    origin: str
    horizon_months: int
    period_end: str
    nrr: _Interval
    actual_nrr: Number
    baselines: dict[str, Number | None]


class _Combined(_Part):
    weights: dict[str, Share]
    periods: Annotated[int, Field(ge=1, le=10**6)]
    n_eff: Annotated[float, Field(gt=0, le=LARGEST)]


class _Judged(_Part):
    rows: Annotated[int, Field(ge=0, le=10**12)]
    slope: Number | None = None
    slope_error: Number | None = None
    o_over_e: Number | None = None
    o_over_e_error: Number | None = None


class _Form(_Part):
    signals: Annotated[list[str], Field(min_length=1)]
    catalog: list[str]
    schema_: Annotated[dict[str, str], Field(alias="schema")]
    targets: dict[Event, _Target]
    locked_rate: Share
    returns: Annotated[list[Share], Field(min_length=LEADS, max_length=LEADS)]
    sizes: _Sizes
    metered: _Metered | None = None
    fiscal_year_starts: Annotated[int, Field(ge=1, le=12)]
    bands: _Bands
    stability: dict[str, dict[str, Share]]
    factor: dict[Literal["1", "3", "12"], _Factor]
    periods: list[_Period]
    combined: dict[Literal["1", "3", "12"], _Combined] = {}
    probabilities: dict[Event, _Judged]
    trained_through: str


def refuse_other_form(contract: Mapping[str, Any]) -> None:
    """Refuse a contract that does not say, in full and in bounds, what a health model is.

    Raises
    ------
    DataRejected
        ``model.incompatible`` with the key that is lacking or astray (exit code 65).

    Examples
    --------
    >>> refuse_other_form({"signals": []})
    Traceback (most recent call last):
    ...
    features.faults.DataRejected: the model's contract: signals: List should have at least 1 item \
after validation, not 0: model.incompatible: run `perennial train` again
    """
    try:
        form = _Form.model_validate(contract)
    except ValidationError as refused:
        first = refused.errors(include_url=False, include_input=False)[0]
        raise _refused(".".join(map(str, first["loc"])), first["msg"]) from refused
    _check_whole(form)
    _check_day(form.trained_through)


def refuse_contradictions(contract: Mapping[str, Any]) -> None:
    """Refuse a contract, of the right form, whose parts do not fit one another.

    Raises
    ------
    DataRejected
        ``model.incompatible`` for weights or boosters that are not those of its signals.
    """
    form, boosters = _Form.model_validate(contract), contract["boosters"]
    for name, target in form.targets.items():
        _check_target(name, target, len(form.signals))
        if target.booster != (name in boosters):
            raise _refused(f"targets.{name}.booster", "the bundle has another set of boosters")
    for name, declared in boosters.items():
        if declared["features"] != form.signals or declared["objective"] != OBJECTIVE:
            raise _refused(f"boosters.{name}", "it reads other signals, or learned something else")


def _check_whole(form: _Form) -> None:
    if {*form.targets} != {*TARGETS} or {*form.probabilities} != {*TARGETS}:
        raise _refused("targets, probabilities", f"not {', '.join(TARGETS)}")
    if {*form.factor} != {"1", "3", "12"}:
        raise _refused("factor", "not 1, 3 and 12 months")
    for horizon, one in form.combined.items():
        if OURS not in one.weights or not {*one.weights} <= {OURS, *RIVALS}:
            raise _refused(f"combined.{horizon}.weights", f"no {OURS}, or a rival not known here")
        if abs(sum(one.weights.values()) - 1) > ROUNDING:
            raise _refused(f"combined.{horizon}.weights", "they do not sum to 1")
    if len(set(form.signals)) != len(form.signals):
        raise _refused("signals", "one stands there twice")
    if POOLED not in form.bands.risk:
        raise _refused("bands.risk", f"no {POOLED}")
    if any(low > high for low, high in [*form.bands.risk.values(), form.bands.expansion]):
        raise _refused("bands", "Medium starts after High")


def _check_day(said: str) -> None:
    try:
        date.fromisoformat(said)
    except ValueError as refused:
        raise _refused("trained_through", str(refused)) from refused


def _check_target(name: str, target: _Target, signals: int) -> None:
    where = f"targets.{name}"
    if target.target != name:
        raise _refused(where, f"it says that it is {target.target}")
    if [len(column) for column in target.calendar.weights] != [count for _, count in COLUMNS]:
        raise _refused(f"{where}.calendar.weights", "not one weight per level of the calendar")
    if target.calendar.cumulative != (name != "churn"):
        raise _refused(f"{where}.calendar.cumulative", "a hazard for a state, or the reverse")
    ridge = target.ridge
    if ridge and {len(ridge.centre), len(ridge.width), len(ridge.weights)} != {signals}:
        raise _refused(f"{where}.ridge", f"not one weight for each of {signals} signals")
    if min(target.gains) < 0:
        raise _refused(f"{where}.gains", "one is negative")


def _refused(where: str, found: str) -> DataRejected:
    said = f"the model's contract: {where}: {found}"
    return DataRejected("model.incompatible", said, _CURE)
