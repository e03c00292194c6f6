"""The weekly digest: worked out by hand, safe to print, and its parts adding up."""

from __future__ import annotations

import json
import re
import stat
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from serving.digest import Digest, digest_of, keep, kept, page, read, text
from serving.digest.lines import ALONE, HELD
from serving.digest.rounding import apportion, micros, rounded
from serving.digest.split import parts_of
from serving.queries import Run
from serving.store import Store
from tests.command_line import copied, perennial, workspace
from tests.small_weeks import MONDAYS, NOW, account, fired, parts, place, published, reason, week

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "</script><script>x</script>",
    "{{7*7}} {% raw %}",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/p.png)",
    "a | b | `c` **d** <b>",
    "# heading",
    "1. one\n2. two",
    "http://evil.example www.evil.example @everyone",
    "\u202egnp.exe\x00\x1b[31m",
    "Ж" * 900,
)


class Reader(HTMLParser):
    """Collects text, tags and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.links = "", set(), []
        self.feed(html)
        self.text = re.sub(r"\s+", " ", self.text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.links += [v for name, v in attributes if name in ("href", "src") and v]

    def handle_data(self, data):
        self.text += data


def shown(digest: Digest) -> str:
    """The words of the page; its Markdown must have all of its headings."""
    return Reader(page(digest)).text


# --- what changed


def test_moves_are_grouped_by_kind_the_gravest_first_with_why() -> None:
    before = [account("a"), account("b", mrr=50.0), account("c"), account("d"), account("gone")]
    now = [
        account("a", "ML", previous_cell="HL", moved_because=["usage fell"]),
        account("b", "LM", mrr=50.0, previous_cell="HL", moved_because=["notice"]),
        account("c", "HH", previous_cell="HL"),
        account("d"),
        account("new", previous_cell=None),
    ]
    digest = digest_of(week(before, now))
    kinds = [(group.title, group.accounts, group.mrr) for group in digest.moves]
    assert kinds == [("Retention fell", 2, 150.0), ("Readier to expand", 1, 100.0)]
    assert [one.says for one in digest.moves[0].lines] == [("usage fell",), ("notice",)]
    assert [one.account_id for one in (*digest.new.lines, *digest.gone.lines)] == ["new", "gone"]
    assert (digest.known, digest.moved) == (4, 3)
    said = shown(digest)
    assert "3 accounts of 4 moved: 2 lost retention health (MRR 150)" in said
    assert "1 account left (MRR 100), 1 account came (MRR 100)." in said
    assert "chance of leaving in 3 months, as said at the last run: 10 %" in said


def test_a_trigger_is_new_where_it_did_not_fire_or_was_weaker() -> None:
    before = [
        account("a", triggers=[fired("limit", "attention")]),
        account("b", triggers=[fired("quiet"), fired("limit", "act")]),
        account("c"),
    ]
    now = [
        account("a", triggers=[fired("limit", "act", "98% used")]),
        account("b", triggers=[fired("limit", "act")]),
        account("c", triggers=[fired("quiet", "red", "no activity for 20 days")]),
        account("new", previous_cell=None, triggers=[fired("quiet")]),
    ]
    digest = digest_of(week(before, now))
    found = [(t.name, t.level, t.listing.accounts, t.firing, t.cleared) for t in digest.triggers]
    assert found == [("quiet", "red", 1, 2, 1), ("limit", "act", 1, 2, 0)]
    assert digest.triggers[0].listing.lines[0].says == ("no activity for 20 days",)


def test_each_desk_has_its_first_places_and_says_what_is_repeated() -> None:
    rows = [account(f"a{n}", csm="Bea" if n < 7 else None) for n in range(9)]
    rows[0]["reasons_retention"] = [
        reason("usage", -0.1, "use fell"),
        reason("seats", 0.05, "seats up"),
    ]
    listed = [place(row, rank) for rank, row in enumerate(rows, 1)]
    listed[1] |= {"evidence": "use fell by half", "note": "listed 3 times before"}
    digest = digest_of(week(rows, rows, listed=listed, listed_before=listed[:1]))
    assert [(d.csm, d.places, len(d.lines), d.value) for d in digest.desks] == [
        ("Bea", 7, 5, 7000.0),
        ("unassigned", 2, 2, 2000.0),
    ]
    first = digest.desks[0].lines[0]
    assert (first.again, first.says) == (True, ("use fell",))  # what speaks against it is left out
    second = digest.desks[0].lines[1]
    assert (second.again, second.says, second.note) == (
        False,
        ("use fell by half",),
        "listed 3 times before",
    )
    assert digest.desks[0].lines[2].says == (ALONE,)
    assert "Without a CSM 2 places worth 2,000 a year, of 2 accounts, MRR 200" in shown(digest)


def test_the_pulse_ranks_by_expected_expansion_and_leaves_out_what_is_held() -> None:
    now = [
        account("small", p_expand=0.5, mrr=10.0),
        account("held", p_expand=0.5, mrr=900.0, guard=f"{HELD}: a payment is past due"),
        account("large", p_expand=0.3, mrr=400.0, lever="seat", guard="no cross-sell before June"),
        account("none", p_expand=0.0),
    ]
    digest = digest_of(week(None, now))
    pulse = digest.pulse
    assert [(one.account_id, one.amount) for one in pulse.best.lines] == [
        ("large", 60.0),
        ("small", 2.5),
    ]
    assert (pulse.held.accounts, pulse.held_amount) == (1, 225.0)
    assert list(pulse.by_lever.items()) == [("seat", 15.0), ("tier", 5.0)]
    assert "Mind: no cross-sell before June" in shown(digest)


def test_long_since_expansion_and_growth_have_sections_of_their_own() -> None:
    grown = [
        reason("commercial", 0.1, "2 rounds of funding in 91 days")
        | {"signal": "growth_funding_91d"}
    ]
    now = [
        account(
            "a", triggers=[fired("long_since_expansion", "attention", "no expansion for 800 days")]
        ),
        account(
            "b",
            triggers=[fired("business_growth", "attention", "3 signs")],
            reasons_expansion=grown,
        ),
    ]
    digest = digest_of(week(None, now))
    assert digest.long_since_expansion.lines[0].says == ("no expansion for 800 days",)
    assert digest.growth.lines[0].says == ("3 signs", "2 rounds of funding in 91 days")


# --- why the forecast changed


def test_the_change_is_split_by_hand() -> None:
    sure = {"p_expand": 0.0}
    before = [
        account("usage", **sure, **parts(calendar=0.9)),
        account("pays", **sure),
        account("left", mrr=40.0, **sure),
        account("notice", **sure),
        account("basis", **sure),
    ]
    now = [
        account("usage", p_churn=0.3, **sure, **parts(calendar=0.85, usage=-0.15)),
        account("pays", mrr=200.0, **sure),
        account("new", mrr=10.0, previous_cell=None, **sure),
        account("notice", p_churn=1.0, **sure, **parts(calendar=0.9, booked=-0.9)),
        account("basis", p_churn=0.2, renew_basis="decision", **sure, **parts(usage=-0.5)),
    ]
    digest = digest_of(week(before, now))
    split = {part.key: part.micros / 1e6 for part in digest.forecast.parts}
    assert split == {
        "new": 9.0,  # 10 at 90 %
        "gone": -36.0,
        "paid": 90.0,  # 100 more, at 90 %
        "booked": -90.0,
        "signals:usage": -15.0,  # 15 of the 20 points that the chance fell
        "calendar": -15.0,  # the other 5, and 10 of the account that is asked another question
    }
    assert digest.forecast.change == pytest.approx(-57.0)
    assert [one.account_id for one in digest.forecast.parts[-1].largest] == ["basis", "usage"]


def test_another_model_takes_what_it_changed() -> None:
    before, now = [account("a")], [account("a", p_churn=0.2, **parts(usage=-1.0))]
    digest = digest_of(week(before, now, model_digest="m2", model_version="2"))
    assert [(part.key, part.mrr) for part in digest.forecast.parts] == [("model", -10.0)]
    assert any("Another model serves (version 1 before, 2 now)" in one for one in digest.warnings)


def test_a_run_that_kept_no_parts_is_not_told_apart() -> None:
    before, now = [account("a", parts={})], [account("a", p_churn=0.2, **parts(usage=-1.0))]
    split = digest_of(week(before, now)).forecast.parts
    assert [(part.key, part.mrr) for part in split] == [("unsplit", -10.0)]


SHARES = st.floats(0.0, 1.0)
ROWS = st.builds(
    lambda mrr, churn, up, effect, group, basis: account(
        "a", mrr=mrr, p_churn=churn / 2, p_expand=up / 2, renew_basis=basis,
        parts={"renew": {group: effect - 0.5}, "expand": {group: effect / 3}},
    ),
    st.floats(0.0, 1e7), SHARES, SHARES, SHARES,
    st.sampled_from(["usage", "seats", "other", "calendar", "booked", "odd_one"]),
    st.sampled_from(["horizon", "decision"]),
)  # fmt: skip


@given(ROWS, ROWS, st.booleans())
def test_the_parts_of_an_account_add_up_exactly(row, past, other) -> None:
    split = parts_of(row, past, other_model=other)
    assert sum(split.values()) == micros(row["expected_mrr"]) - micros(past["expected_mrr"])


@given(
    st.lists(st.integers(-(10**13), 10**13), min_size=1, max_size=12),
    st.integers(-(10**13), 10**13),
    st.sampled_from([0, 2]),
)
def test_what_is_shown_adds_up_and_is_the_nearest_or_next(amounts, then, decimals) -> None:
    whole = rounded(then + sum(amounts), decimals) - rounded(then, decimals)
    steps = apportion(amounts, whole, decimals)
    assert sum(steps) == whole
    step = 10 ** (6 - decimals)
    assert all(abs(one * step - part) <= 2 * step for one, part in zip(steps, amounts, strict=True))


# --- every kind of week reads well


def test_a_first_run_says_that_there_is_nothing_to_compare_with() -> None:
    digest = digest_of(week(None, [account("a")]))
    assert digest.first
    assert digest.forecast.change is None
    said = shown(digest)
    for words in (
        "first run: nothing to compare with",
        "1 account pays USD 100 a month.",
        "From the next run on, this says why the forecast changed.",
        "The outreach list is empty: no play is worth its cost.",
    ):
        assert words in said
    assert "Nothing to compare with yet." in text(digest)


def test_every_amount_at_a_glance_has_its_unit() -> None:
    """'123 more' of 139 accounts could be read as accounts."""
    paid = account("a", mrr=223.0)
    listed = [place(paid, expected_value=900.0)]
    told = digest_of(week([account("a")], [paid], listed=listed))
    said = shown(told)
    assert "1 account pays USD 223 a month, USD 123 more than on 30 Jun 2025" in said
    assert "1 place on the outreach list, worth USD 900 a year if acted on." in said


def test_the_day_of_a_renewal_has_room_in_its_column() -> None:
    """The width of all figures is said before that of one: the later rule of two alike holds."""
    rules = page(digest_of(week(None, [account("a")])))
    assert rules.index(".places th.num {") < rules.index(".places th:nth-child(5) {")


def test_an_empty_week_says_that_nothing_happened() -> None:
    digest = digest_of(week([account("a")], [account("a")]))
    said = shown(digest)
    for words in (
        "Nobody moved: all 1 accounts",
        "No trigger is new.",
        "Nothing changed.",
        "the same as on 30 Jun 2025",
    ):
        assert words in said
    assert (digest.forecast.parts, digest.forecast.change) == ((), 0.0)


def test_a_held_run_says_so_first_and_how_to_publish_it() -> None:
    digest = digest_of(
        week([account("a")], [account("a")], status="held", held_because=["usage fell by half <b>"])
    )
    said = shown(digest)
    assert said.index("This run is held") < said.index("At a glance")
    assert "usage fell by half <b>" in said
    assert f"perennial approve {digest.run_id}" in text(digest)


def test_a_small_book_is_told_in_cents() -> None:
    before = [account(n, mrr=10.01) for n in ("a", "b", "c")]
    digest = digest_of(week(before, [account(n, mrr=10.02) for n in ("a", "b", "c")]))
    assert digest.forecast.decimals == 2
    assert [(part.key, part.mrr) for part in digest.forecast.parts] == [("paid", 0.03)]
    assert "+0.03" in shown(digest)


def test_one_desk_is_told_of_alone() -> None:
    before = [account("mine"), account("theirs", csm="Ben")]
    now = [
        account("mine", "ML", previous_cell="HL"),
        account("theirs", "LL", csm="Ben", previous_cell="HL"),
    ]
    digest = digest_of(week(before, now, csm="Ben"))
    assert (digest.accounts, digest.moved, digest.forecast.horizons) == (1, 1, ())
    assert "MINE" not in page(digest)
    assert digest.forecast.change == 0.0


def test_what_is_unusual_is_said_first() -> None:
    names = [f"a{n}" for n in range(8)]
    before = [account(name) for name in names]
    now = [account(name, "ML", previous_cell="HL") for name in names[:3]] + [
        account(n) for n in names[3:]
    ]
    now[7] |= {"status": "unscorable", "data_coverage": 0.1}
    behind = {"table": "usage", "last": "2025-06-20", "age_days": 16, "behind": True}
    notes = {"warnings": ["usage has 40% of its usual rows"], "tables": [behind]}
    more = {"settings_digest": "c2", "notes": notes, "snapshot_id": f"s{MONDAYS[0]}"}
    digest = digest_of(week(before, now, **more))
    assert digest.warnings == (
        "Usage has 40% of its usual rows.",
        "The settings are others than at the last run: bands, lists and triggers may differ.",
        "3 of 8 accounts moved at once: that is rarely the customers.",
        "The data is the same snapshot as at the last run: only the day is another.",
        "Usage is behind (last day 2025-06-20): its signals are missing.",
        "Accounts that could not be scored: 1; they carry rates, not judgements.",
    )
    assert "behind: its signals are missing" in shown(digest)


# --- safe to print, the same wherever it is made


@pytest.fixture(scope="module")
def hostile() -> Digest:
    names = [f"{n} {name}" if n % 2 else name for n, name in enumerate(HOSTILE)]
    before = [account(f"{name[:90]}", name=name, csm=name) for name in names]
    now = [
        row | {"cell": "LL", "moved_because": [name], "segment": name, "guard": name, "lever": name,
               "triggers": [fired(name, "red", name), fired("business_growth", "attention", name)],
               "reasons_expansion": [reason("usage", 0.1, name)],
               "reasons_retention": [reason("usage", -0.1, name)]}
        for row, name in zip(before, names, strict=True)
    ]  # fmt: skip
    listed = [place(row, rank, play=row["name"]) for rank, row in enumerate(now, 1)]
    more = {"notes": {"warnings": list(HOSTILE), "tables": []}, "held_because": list(HOSTILE)}
    return digest_of(week(before[1:], now, listed=listed, status="held", **more))


@pytest.mark.fault("D01")
def test_names_are_text_on_the_page_whatever_they_say(hostile: Digest) -> None:
    reader = Reader(page(hostile))
    assert not reader.tags & {"img", "script", "iframe", "object", "b"}
    assert all(link.startswith("#") or link == "data:," for link in reader.links)
    for said in (
        "<img src=x onerror=alert(1)>",
        "{{7*7}} {% raw %}",
        "[click](javascript:alert(1))",
    ):
        assert said in reader.text
    assert "\u202e" not in reader.text
    assert "Ж" * 400 not in reader.text


@pytest.mark.fault("D01")
@pytest.mark.parametrize("flavour", ["commonmark", "gfm-like"])
def test_names_are_text_in_markdown_whatever_they_say(hostile: Digest, flavour: str) -> None:
    options = {"html": True} | ({"linkify": False} if flavour == "gfm-like" else {})
    written = text(hostile)
    reader = Reader(MarkdownIt(flavour, options).render(written))
    assert reader.tags <= {"h1", "h2", "h3", "p", "ul", "ol", "li", "strong", "code", "table",
                           "thead", "tbody", "tr", "th", "td"}  # fmt: skip
    assert not reader.links
    assert "://evil" not in written
    assert "www.evil" not in written
    assert "<img src=x onerror=alert(1)>" in reader.text
    heads = [one for one in written.splitlines() if one.startswith("# ")]
    assert heads == ["# The week to 7 Jul 2025"]


@pytest.mark.parametrize("made", [page, text])
def test_it_is_self_contained(hostile: Digest, made) -> None:
    written = made(hostile)
    assert not re.search(r"<(script|link [^>]*stylesheet|img|iframe)", written)
    assert not re.search(r"url\((?!data:)|@import", written)


def test_rows_in_another_order_are_the_same_page() -> None:
    now = [account(f"a{n}", "ML", previous_cell="HL", triggers=[fired("t")]) for n in range(30)]
    before = [account(f"a{n}") for n in range(30)]
    one, other = digest_of(week(before, now)), digest_of(week(before[::-1], now[::-1]))
    assert (page(one), text(one)) == (page(other), text(other))


# --- from the store


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A week, the next, one that was held, and one after it."""
    folder = tmp_path_factory.mktemp("home")
    store = Store.open(folder / "state")
    moved = [
        account("a", "ML", mrr=70.0, previous_cell="HL", reasons_retention=[reason("usage", -0.1)])
    ]
    weeks = ([account("a", mrr=50.0)], moved, [account("a", mrr=900.0)], moved)
    for number, rows in enumerate(weeks):
        held = ("odd",) if number == 2 else ()
        notes = {"warnings": ["said by the job"], "tables": []}
        one = published(MONDAYS[0] + timedelta(days=7 * number), rows, notes=notes)
        store.publish(one, now=NOW, held=held)
    return folder


def run_of(home: Path, number: int) -> Run:
    found = Store.open(home / "state").runs(held=True)
    return sorted(found, key=lambda run: run.as_of)[number]


def test_a_week_is_read_beside_the_newest_run_that_was_not_held(home: Path) -> None:
    store = Store.open(home / "state")
    held, last = (digest_of(read(store, run_of(home, number))) for number in (2, 3))
    assert (held.held, held.since, held.mrr_before) == (True, MONDAYS[1], 70.0)
    assert (last.held, last.since, last.mrr_before) == (False, MONDAYS[1], 70.0)
    assert last.warnings[:2] == (
        "Said by the job.",
        "The last run was 14 days before this one: what changed is of more than one week.",
    )


def test_what_a_run_says_of_its_footing_is_no_part_of_its_digest() -> None:
    one, other = (
        published(MONDAYS[0], [account("a")], notes=told) for told in ({}, {"warnings": ["x"]})
    )
    assert one.digest == other.digest


def test_it_is_kept_beside_the_exports_for_its_owner_alone(home: Path) -> None:
    store, run = Store.open(home / "state"), run_of(home, 1)
    assert not kept(store.home, run.run_id)
    html, markdown = keep(store, run)
    assert kept(store.home, run.run_id)
    assert html.read_text(encoding="utf-8") == page(digest_of(read(store, run)))
    assert {stat.S_IMODE(path.stat().st_mode) for path in (html, markdown)} == {0o600}


@pytest.mark.ci
def test_the_command_tells_the_run_that_serves(home: Path) -> None:
    asked = ("digest", "--home", "state")
    assert perennial(home, *asked).out.startswith("# The week to 21 Jul 2025")
    assert perennial(home, *asked, "--format", "html").out.startswith("<!doctype html>")
    body = perennial(home, *asked, "--json").body
    assert body["moves"][0]["lines"][0]["account_id"] == "a"
    assert (body["since"], body["status"]) == ("2025-07-07", "published")


@pytest.mark.ci
def test_the_command_writes_the_format_that_the_file_is_called_by(home: Path) -> None:
    out = perennial(home, "digest", "--home", "state", "--out", "week.html")
    assert (out.code, out.out) == (0, "")
    assert (home / "week.html").read_text().startswith("<!doctype html>")
    assert perennial(home, "digest", "--home", "state", "--out", "no/week.md").code == 2


@pytest.mark.ci
def test_the_command_tells_of_another_run_and_of_one_desk(home: Path) -> None:
    asked = ("digest", "--home", "state")
    assert "first run" in perennial(home, *asked, "--run", run_of(home, 0).run_id).out
    assert "## This run is held" in perennial(home, *asked, "--run", run_of(home, 2).run_id).out
    assert perennial(home, *asked, "--run", "nope").code == 66
    assert 'no account of a CSM called "Zoe"' in perennial(home, *asked, "--csm", "Zoe").err


@pytest.mark.ci
def test_before_the_first_run_the_command_names_the_next_step(tmp_path: Path) -> None:
    answer = perennial(tmp_path, "digest", "--home", "state")
    assert answer.code == 66
    assert "perennial score" in answer.err


def _light(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return sum(k * s for k, s in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_pair_of_colours_can_be_read(scheme: str) -> None:
    light, dark = re.findall(
        r":root \{(.*?)\n *\}", page(digest_of(week(None, [account("a")]))), re.S
    )[:2]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", light if scheme == "light" else dark))
    pairs = [("ink", "sheet"), ("soft", "sheet"), ("accent", "sheet"), ("watch-ink", "sheet"),
             ("ink", "watch"), ("ink", "bad"), ("ink", "paper")]  # fmt: skip
    pairs += [(f"{kind}-ink", kind) for kind in ("good", "fair", "watch", "warn", "bad")]
    for ink, ground in pairs:
        dim, bright = sorted((_light(colours[ink]), _light(colours[ground])))
        assert (bright + 0.05) / (dim + 0.05) >= 4.5, (ink, ground)


@pytest.mark.ci
@pytest.mark.fault("B01")
def test_the_weekly_job_writes_it_also_after_it_was_killed_between(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    folder = copied(workspace(tmp_path_factory), tmp_path / "book")
    run = json.loads((folder / "scored.json").read_text())["run_id"]
    written = folder / ".perennial" / "exports" / run
    before = (written / "digest.html").read_bytes()
    (written / "digest.html").unlink()
    again = perennial(folder, "score", "--json")
    assert (again.code, again.body["published"]) == (0, False)
    assert (written / "digest.html").read_bytes() == before
    store = Store.open(folder / ".perennial")
    reached = {one["table"]: one for one in store.document(run, "notes")["tables"]}
    assert {"subscriptions", "usage"} <= reached.keys()
    assert not reached["usage"]["behind"]
    assert 0 <= reached["usage"]["age_days"] <= 7
