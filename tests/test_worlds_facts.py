"""Every stylised fact of the simulated book, on four books of the demo's size.

Where a fact is a share or a rate, its tolerance is four standard errors of what was counted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from tests.test_worlds import core, paid_on
from training.worlds import World, simulate
from training.worlds.hidden import macro_path

pytestmark = pytest.mark.ci


def near(counted: Any, trials: Any, share: float) -> bool:
    """Say whether a share is within four standard errors of the one that it should be."""
    error = np.sqrt(share * (1 - share) / trials)
    return bool(abs(counted / trials - share) <= 4 * error)


def calm_months(stamps: pd.Series) -> pd.Series:
    """First days of the months of UTC stamps, to join with the truth's dates."""
    return stamps.dt.tz_localize(None).dt.to_period("M").dt.to_timestamp().astype("datetime64[s]")


# --- the published targets, at the size of the demo


@pytest.fixture(scope="module")
def demos() -> list[World]:
    return [simulate(seed=seed) for seed in range(4)]


def segment_of(world: World) -> pd.Series:
    return world.tables["accounts"].set_index("account_id").segment


def calendar(world: World) -> pd.DataFrame:
    """The truth with what a calendar sees: month to month, due within three months, segment."""
    lines, rows = core(world), []
    for as_of, there in world.truth.groupby("as_of"):
        first = pd.Timestamp(as_of)
        runs = (lines.starts_on < first) & (lines.ends_on.isna() | (lines.ends_on >= first))
        line = lines[runs].drop_duplicates("account_id", keep="last").set_index("account_id")
        seen = there.join(line[["term_months", "renews_on"]], on="account_id")
        monthly = seen.term_months == 1
        due = ~monthly & (seen.renews_on < first + pd.DateOffset(months=3))
        rows.append(seen.assign(monthly=monthly, due=due))
    joined = pd.concat(rows)
    return joined.assign(segment=joined.account_id.map(segment_of(world)))


def test_the_top_decile_holds_half_to_two_thirds(demos: list[World]) -> None:
    shares = []
    for demo in demos:
        paid = paid_on(demo, pd.Timestamp(demo.time.last_day)).sort_values(ascending=False)
        shares.append(paid.head(len(paid) // 10).sum() / paid.sum())
    assert 0.50 <= np.mean(shares) <= 0.65


def test_usage_stays_modest(demos: list[World]) -> None:
    assert max(len(demo.tables["usage"]) for demo in demos) <= 600_000


def test_retention_by_segment_is_as_published(demos: list[World]) -> None:
    opening: dict[str, float] = {}
    closing: dict[str, float] = {}
    for demo in demos:
        segment = segment_of(demo)
        for month in range(0, 25, 3):
            day = pd.Timestamp(demo.time.date_of(demo.time.end(month - 1) + 31 * (month == 0)))
            before = paid_on(demo, day)
            after = paid_on(demo, day + pd.DateOffset(months=12)).reindex(before.index).fillna(0)
            for name in segment.unique():
                mine = before.index.map(segment) == name
                opening[name] = opening.get(name, 0) + before[mine].sum()
                closing[name] = closing.get(name, 0) + after[mine].sum()
    nrr = {name: closing[name] / opening[name] for name in opening}
    assert nrr["smb"] == pytest.approx(0.97, abs=0.04)
    assert nrr["mid-market"] == pytest.approx(1.08, abs=0.05)
    assert nrr["enterprise"] == pytest.approx(1.18, abs=0.07)


def test_the_third_month_is_the_cliff_of_monthly_contracts(demos: list[World]) -> None:
    third, later = [0, 0], [0, 0]
    for demo in demos:
        rows = calendar(demo).query("monthly")
        signed = demo.tables["accounts"].set_index("account_id").signed_on
        first = core(demo).groupby("account_id").starts_on.min()
        begins = first.where(first > first.min(), signed)
        begin, now = rows.account_id.map(begins), pd.to_datetime(rows.as_of)
        age = (now.dt.year - begin.dt.year) * 12 + now.dt.month - begin.dt.month
        for counts, which in ((third, age == 2), (later, age >= 6)):
            counts[0] += int((rows.state_1[which] == "churn").sum())
            counts[1] += int(which.sum())
    assert third[0] / third[1] >= 1.8 * later[0] / later[1]


def test_the_calendar_and_the_oracle_rank_as_published(demos: list[World]) -> None:
    rows = pd.concat([calendar(demo) for demo in demos])
    left = rows.state_3 == "churn"
    cells = rows.groupby(["monthly", "due", "segment"]).state_3.transform(
        lambda states: (states == "churn").mean()
    )
    able = rows.monthly | rows.due
    assert 0.78 <= roc_auc_score(left, cells) <= 0.88
    assert 0.75 <= roc_auc_score(left[able], rows.p_churn_3[able]) <= 0.85


def test_use_falls_in_the_weeks_before_churn(demos: list[World]) -> None:
    ratios = []
    for demo in demos:
        lines = core(demo)
        ends = lines.groupby("account_id").ends_on.last()
        ends = ends[ends < "2025-12-01"]
        usage = demo.tables["usage"].query("feature == 'workspace'")
        usage = usage.assign(account_id=usage.account_id.astype(str))
        end = usage.account_id.map(ends)
        week = (end - usage.occurred_at.dt.tz_localize(None)).dt.days // 7
        last = usage[week.between(1, 4)].groupby("account_id").users.sum() / 4
        before = usage[week.between(14, 19)].groupby("account_id").users.sum() / 6
        ratios.append((last.reindex(before.index).fillna(0) / before).median())
    assert np.mean(ratios) < 0.9


# --- who they are


@pytest.mark.parametrize(("segment", "share"), [(0, 0.62), (1, 0.28), (2, 0.10)])
def test_segments_are_mixed_as_published(demos: list[World], segment: int, share: float) -> None:
    all_of_them = np.concatenate([demo.roster.segment for demo in demos])
    assert near((all_of_them == segment).sum(), len(all_of_them), share)


@pytest.mark.parametrize(("segment", "median"), [(0, 3_600), (1, 21_000), (2, 110_000)])
def test_contract_values_are_lognormal(demos: list[World], segment: int, median: float) -> None:
    logs = np.concatenate([np.log(d.roster.acv[d.roster.segment == segment]) for d in demos])
    error = 1.2533 * logs.std() / np.sqrt(len(logs))
    assert abs(np.median(logs) - np.log(median)) < 4 * error
    skew = ((logs - logs.mean()) ** 3).mean() / logs.std() ** 3
    assert abs(skew) < 4 * np.sqrt(6 / len(logs))


def test_terms_run_one_to_thirty_six_months(demos: list[World]) -> None:
    for segment, shares in enumerate(demos[0].laws.term_share):
        terms = np.concatenate([d.roster.term[d.roster.segment == segment] for d in demos])
        for term, share in zip((1, 12, 24, 36), shares, strict=True):
            assert near((terms == term).sum(), len(terms), share)
        assert (core(demos[0]).term_months.isin([1, 12, 24, 36])).all()


def test_a_third_of_the_renewals_falls_on_the_fiscal_years_end(demos: list[World]) -> None:
    terms = np.concatenate([demo.roster.aligned[demo.roster.term > 1] for demo in demos])
    assert near(terms.sum(), len(terms), 0.35)
    renews = pd.concat([core(demo).query("term_months > 1").renews_on for demo in demos])
    assert 0.30 < ((renews.dt.month == 2) & (renews.dt.day == 1)).mean() < 0.45


def test_one_in_twenty_of_the_smaller_has_an_enterprise_as_parent(demos: list[World]) -> None:
    children = smaller = 0
    for demo in demos:
        accounts = demo.tables["accounts"]
        child = accounts[accounts.parent_account_id.notna()]
        assert (child.parent_account_id.map(segment_of(demo)) == "enterprise").all()
        assert (child.segment != "enterprise").all()
        children, smaller = (
            children + len(child),
            smaller + (accounts.segment != "enterprise").sum(),
        )
    assert near(children, smaller, 0.05)


# --- what is hidden


def test_health_lasts_and_falls_when_the_champion_leaves(demos: list[World]) -> None:
    before, after, lost = (
        np.concatenate([values(demo.history).ravel() for demo in demos])
        for values in (
            lambda past: past.mood[:-1][past.alive[1:]],
            lambda past: past.mood[1:][past.alive[1:]],
            lambda past: past.champion_lost[1:][past.alive[1:]],
        )
    )
    assert np.corrcoef(before[~lost], after[~lost])[0, 1] == pytest.approx(0.85, abs=0.03)
    error = before[lost].std() / np.sqrt(lost.sum())
    assert abs((after - 0.85 * before)[lost].mean() + 1.4) < 4 * error
    assert near(lost.sum(), len(lost), 0.012)


def test_the_appetite_for_more_shows_in_seats_and_upgrades(demos: list[World]) -> None:
    truth = pd.concat([demo.truth for demo in demos])
    expands = truth.groupby(pd.qcut(truth.growth, 3, labels=False)).state_12.apply(
        lambda states: (states == "expand").mean()
    )
    assert expands[0] + 0.05 < expands[1] < expands[2] - 0.05
    for demo in demos:
        stays = demo.history.alive[0] & demo.history.alive[36]
        seats = demo.history.seats[:, stays]
        assert seats[36].sum() > 1.1 * seats[0].sum()


def test_the_common_factor_moves_all_and_slowly() -> None:
    paths = np.stack([macro_path(60, np.random.default_rng(seed)) for seed in range(80)])
    assert paths.mean() == pytest.approx(0.0, abs=0.25)
    assert paths.std() == pytest.approx(1.0, abs=0.15)
    now, then = paths[:, 1:].ravel(), paths[:, :-1].ravel()
    assert np.corrcoef(now, then)[0, 1] == pytest.approx(0.85, abs=0.03)


# --- contracts


def test_nobody_leaves_in_the_middle_of_a_term(demos: list[World]) -> None:
    for demo in demos:
        last = core(demo).drop_duplicates("account_id", keep="last")
        gone = last[(last.ends_on <= str(demo.time.last_day)) & (last.term_months > 1)]
        assert len(gone) > 50
        assert (gone.ends_on == gone.renews_on).all()


def test_the_first_months_of_monthly_contracts_are_the_riskiest(demos: list[World]) -> None:
    left, there = np.zeros(2), np.zeros(2)
    for demo in demos:
        past, months = demo.history, np.arange(36)[:, None]
        monthly = past.alive[:36] & (past.term[:36] == 1)
        gone, age = monthly & ~past.alive[1:37], months - past.first_month
        for place, those in enumerate((monthly & (age >= 1) & (age <= 3), monthly & (age >= 6))):
            left[place] += (gone & those).sum()
            there[place] += those.sum()
    rate = left / there
    error = np.sqrt((rate * (1 - rate) / there).sum())
    assert rate[0] - rate[1] > 4 * error


def test_three_in_five_renewals_raise_the_price_by_two_to_six_per_cent(demos: list[World]) -> None:
    rises = []
    for demo in demos:
        lines = core(demo).query("term_months > 1")
        after = lines.groupby("account_id").shift(-1)
        renewed = (after.starts_on == lines.ends_on) & (lines.ends_on == lines.renews_on)
        same = renewed & (after.seats == lines.seats) & (after.plan == lines.plan)
        rises.append(((after.mrr / after.seats) / (lines.mrr / lines.seats) - 1)[same])
    rise = pd.concat(rises)
    assert near((rise > 0.001).sum(), len(rise), 0.6)
    assert rise[rise > 0.001].between(0.018, 0.062).all()


def test_some_come_back_months_later_on_fewer_seats(demos: list[World]) -> None:
    waits, shares = [], []
    for demo in demos:
        lines = core(demo)
        after = lines.groupby("account_id").shift(-1)
        wait = (after.starts_on - lines.ends_on).dt.days
        waits.append(wait[wait > 31])
        shares.append((after.seats / lines.seats)[wait > 31])
    wait, share = pd.concat(waits), pd.concat(shares)
    assert len(wait) > 100
    assert wait.between(32, 600).all()
    assert share.median() == pytest.approx(0.77, abs=0.06)


# --- feeds


def holes(demo: World) -> pd.Series:
    """Longest run of weeks without usage between two weeks with it, by account."""
    usage = demo.tables["usage"].query("feature == 'workspace'")
    weeks = usage.assign(account_id=usage.account_id.astype(str)).sort_values(
        ["account_id", "occurred_at"]
    )
    step = weeks.groupby("account_id").occurred_at.diff().dt.days // 7 - 1
    return step.groupby(weeks.account_id).max()


def test_a_few_feeds_stop_for_weeks(demos: list[World]) -> None:
    large = [
        holes(demo)[[i for i in holes(demo).index if demo.roster.acv[int(i[1:]) - 1] > 60_000]]
        for demo in demos
    ]
    hole = pd.concat(large)
    stopped = hole.between(2, 8)
    assert 0.01 < stopped.mean() < 0.08


def test_adoption_follows_an_s_curve(demos: list[World]) -> None:
    shares = pd.concat([breadths(demo) for demo in demos]).dropna().mean().to_numpy()
    steps = np.diff(shares)
    assert (steps[:2] > 0.03).all()
    assert abs(steps[2]) < 0.02
    assert shares[0] < 0.5 * shares[3]


def breadths(demo: World) -> pd.DataFrame:
    """Users of wider features over users of the workspace, per new account, at four ages."""
    new = demo.roster.ids[(demo.roster.month >= 0) & (demo.roster.month < 10)]
    usage = demo.tables["usage"]
    usage = usage.assign(account_id=usage.account_id.astype(str))
    usage = usage[usage.account_id.isin(new)]
    first = usage.groupby("account_id").occurred_at.transform("min")
    age = (usage.occurred_at - first).dt.days // 7
    wide = usage.feature.isin(["dashboards", "automations", "chat_sync", "api"])
    home = usage.feature == "workspace"
    told = {}
    for begins, ends in [(0, 4), (16, 20), (40, 44), (80, 84)]:
        then = age.between(begins, ends - 1)
        some, all_of_it = (
            usage[then & which].groupby("account_id").users.sum() for which in (wide, home)
        )
        told[begins] = some.reindex(all_of_it.index).fillna(0) / all_of_it
    return pd.DataFrame(told)


def test_one_ticket_breeds_another(demos: list[World]) -> None:
    soon = base = 0.0
    for demo in demos:
        tickets = demo.tables["tickets"].sort_values(["account_id", "opened_at"])
        wait = tickets.groupby("account_id").opened_at.diff(-1).abs()
        soon += (wait < pd.Timedelta(days=7)).sum() / len(tickets) / len(demos)
        served = demo.history.alive[1:37].sum() * 30.4
        base += len(tickets) / served * 7 / len(demos)
    assert soon > 3 * base


def test_tickets_are_partly_zeal(demos: list[World]) -> None:
    for demo in demos:
        tickets = demo.tables["tickets"]
        zeal = tickets.category.isin(["how_to", "feature_request", "integration"])
        joined = tickets.assign(zeal=zeal, as_of=calm_months(tickets.opened_at)).merge(
            demo.truth.assign(as_of=demo.truth.as_of.astype("datetime64[s]")),
            on=["account_id", "as_of"],
        )
        assert 0.2 < zeal.mean() < 0.8
        assert joined.health[joined.zeal].mean() > joined.health[~joined.zeal].mean() + 0.3


def test_the_edge_of_the_plan_is_met_before_an_upgrade(demos: list[World]) -> None:
    rates = []
    for demo in demos:
        events = demo.tables["events"].query("kind == 'gate_hit'")
        month = calm_months(events.occurred_at) + pd.offsets.MonthBegin(1)
        met = set(zip(events.account_id, month, strict=True))
        truth = demo.truth[pd.to_datetime(demo.truth.as_of) > demo.truth.as_of.min()]
        keys = zip(truth.account_id, pd.to_datetime(truth.as_of), strict=True)
        hit = pd.Series([key in met for key in keys], index=truth.index)
        grew = truth.state_3 == "expand"
        rates.append((grew[hit].mean(), grew[~hit].mean()))
    assert all(with_gate > 1.15 * without for with_gate, without in rates)


def test_seats_fill_up_before_more_are_bought(demos: list[World]) -> None:
    for demo in demos:
        limits = demo.tables["limits"].query("metric == 'seats'")
        ends = limits[limits.observed_on.dt.is_month_end]
        as_of = (ends.observed_on + pd.Timedelta(days=1)).astype("datetime64[s]")
        joined = ends.assign(as_of=as_of, full=ends.used / ends.limit).merge(
            demo.truth.assign(as_of=demo.truth.as_of.astype("datetime64[s]")),
            on=["account_id", "as_of"],
        )
        assert roc_auc_score(joined.state_3 == "expand", joined.full) > 0.6


def test_the_unhappy_answer_surveys_less(demos: list[World]) -> None:
    answers, asked = np.zeros(2), np.zeros(2)
    for demo in demos:
        touches = demo.tables["touchpoints"].query("kind == 'nps'")
        truth = demo.truth.assign(as_of=demo.truth.as_of.astype("datetime64[s]"))
        when = pd.DataFrame(
            {"account_id": touches.account_id, "as_of": calm_months(touches.occurred_at)}
        ).drop_duplicates()
        answered = truth.merge(when.assign(answered=True), how="left", on=["account_id", "as_of"])
        low = (answered.health < 0).to_numpy()
        for place, those in enumerate((low, ~low)):
            answers[place] += answered.answered.notna().to_numpy()[those].sum()
            asked[place] += those.sum()
        assert touches.value.between(0, 10).all()
    rate = answers / asked
    error = np.sqrt((rate * (1 - rate) / asked).sum())
    assert rate[1] - rate[0] > 4 * error
