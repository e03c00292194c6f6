import codecs
import csv
import io
import re
import subprocess
import sys
from datetime import timedelta

import pytest
import sqlalchemy as sa

from models.census import summary
from serving import tables
from serving.dashboard.downloads import disposition
from serving.database import writing
from serving.store import Store
from tests.example_publication import ACCOUNTS, ACTIONS, NOW, example
from tests.peak_memory import PEAK_MB
from tests.read_pages import Reader, read, visitor

pytestmark = pytest.mark.ci
FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "\x00=1", "＝1", "＋1", " =1"]


@pytest.fixture(scope="module")
def visiting(tmp_path_factory):
    return visitor(tmp_path_factory.mktemp("home"), example())


def rows_of(reply):
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.content.startswith(codecs.BOM_UTF8)  # once, so that Excel reads umlauts
    return list(csv.DictReader(io.StringIO(reply.content.decode("utf-8-sig"))))


def test_the_matrix_shows_nine_cells_with_counts_mrr_and_actions(visiting):
    page = read(visiting, "/matrix")
    for action in ACTIONS.values():
        assert action in page.text
    assert "2 accounts USD 11,950 32 % of MRR" in page.text
    counts = re.findall(r'class="count">(\d+)', page.html)
    assert sum(map(int, counts)) == len(ACCOUNTS)


def test_the_matrix_of_models_matrix_is_understood(tmp_path):
    page = read(visitor(tmp_path, example(matrix=summary(example().scores))), "/matrix")
    for action in ACTIONS.values():
        assert action in page.text


def test_the_matrix_tells_who_came_from_where_and_leads_to_them(visiting):
    page = read(visiting, "/matrix")
    assert "In: 1 from HM" in page.text
    assert "HM HH 1 9,200" in page.text
    assert "/accounts?cell=HH&moved=true" in page.links()
    moved = read(visiting, "/accounts?cell=HH&moved=true")
    assert "1 account let through" in moved.text
    assert "Acme Rail" in moved.text


def test_the_matrix_of_one_csm_counts_that_csm_s_accounts(visiting):
    page = read(visiting, "/matrix?csm=Ada&segment=mid")
    counts = re.findall(r'class="count">(\d+)', page.html)
    assert sum(map(int, counts)) == 3
    assert "/accounts?cell=LL&csm=Ada&segment=mid" in page.links()


def test_every_cell_leads_to_its_accounts_and_every_account_back(visiting):
    page = read(visiting, "/matrix")
    for link in (link for link in page.links() if link.startswith("/accounts?cell=")):
        listed = read(visiting, link)
        ones = [one for one in listed.links() if one.startswith("/accounts/")]
        for one in ones:
            assert "?back=%2Faccounts%3Fcell%3D" in one
            account = read(visiting, one)
            assert link in account.links()


def test_accounts_are_filtered_sorted_and_found_by_name(visiting):
    def names(question):
        return re.findall(r'class="name">([^<]+)<', read(visiting, f"/accounts?{question}").html)

    assert names("segment=mid&csm=Ada") == ["Birch &amp; Co", "شركة النور 🌱", "Élan Studio"]
    assert names("named=acme") == ["Acme Rail"]
    assert names("named=A04") == ["Dune Foods"]
    assert names("named=%25") == []
    assert names("min_mrr=9000&sort=mrr") == ["Acme Rail", "Fjord Energy"]
    assert names("cell=&csm=&named=&min_mrr=&trigger=&segment=enterprise")[0] == "Fjord Energy"


def test_a_column_s_head_turns_its_order_round_and_keeps_the_filters(visiting):
    page = read(visiting, "/accounts?segment=smb")
    assert "/accounts?segment=smb&sort=mrr" in page.links()
    assert "/accounts?segment=smb&sort=name" in page.links()
    assert [a["aria-sort"] for tag, a in page.tags if "aria-sort" in a] == ["descending"]


def test_pages_follow_one_another_and_stay_in_their_run(tmp_path):
    visiting = visitor(tmp_path, example())
    first = read(visiting, "/accounts?limit=5&sort=name")
    seen = re.findall(r'href="/accounts/([^?"]+)\?', first.html)
    following = next(link for link in first.links() if "cursor=" in link)
    later = example(as_of=example().as_of + timedelta(days=7))
    Store.open(tmp_path).publish(later, now=NOW + timedelta(days=7))
    while following:
        page = read(visiting, following)
        assert "As of 1 Jul 2025" in page.text
        seen += re.findall(r'href="/accounts/([^?"]+)\?', page.html)
        following = next((link for link in page.links() if "cursor=" in link), None)
    assert sorted(seen) == sorted(row[0] for row in ACCOUNTS)


def test_a_list_without_accounts_says_what_to_do(visiting):
    assert "No account is let through" in read(visiting, "/accounts?csm=Nobody").text
    assert "Nobody of Nobody is on the list" in read(visiting, "/outreach?csm=Nobody").text


def test_the_outreach_list_tells_why(visiting):
    page = read(visiting, "/outreach")
    assert "7 places, by the yearly value of acting" in page.text
    for said in ("usage fell 42 % in 90 days", "seat limit", "Save before renewal"):
        assert said in page.text
    assert "No expansion play: Retention comes first." in page.text


def test_the_outreach_list_is_cut_to_a_csm_and_to_places(visiting):
    page = read(visiting, "/outreach?csm=Cleo&capacity=1")
    assert "1 place of Cleo" in page.text
    assert "Fjord Energy" in page.text
    assert "Birch" not in page.text


@pytest.mark.parametrize("question", ["", "?csm=Ada", "?capacity=1"])
def test_the_file_of_the_list_holds_what_is_on_the_page(visiting, question):
    page = read(visiting, f"/outreach{question}")
    shown = re.findall(r'<tr role="row" id="([^"]+)"', page.html)
    rows = rows_of(visiting.get(f"/outreach.csv{question}"))
    assert [row["account_id"] for row in rows] == shown
    said = visiting.get(f"/v1/outreach{question}", headers={"accept": "*/*"}).json()["items"]
    assert [row["account_id"] for row in said] == shown


@pytest.mark.parametrize("question", ["", "?cell=HH", "?segment=smb&sort=-p_churn", "?moved=true"])
def test_the_file_of_accounts_holds_all_that_the_filters_let_through(visiting, question):
    rows = rows_of(visiting.get(f"/accounts.csv{question}"))
    asked = question or "?sort=-mrr"
    asked += "" if "sort" in asked else "&sort=-mrr"
    said = visiting.get(f"/v1/accounts{asked}", headers={"accept": "*/*"}).json()["items"]
    assert [row["account_id"] for row in rows] == [row["account_id"] for row in said]
    assert [float(row["mrr"]) for row in rows] == [row["mrr"] for row in said]


@pytest.mark.fault("D03")
def test_files_hold_no_formula_and_numbers_stay_numbers(tmp_path):
    publication = example()
    publication.outreach["name"] = FORMULAS[:7]
    publication.outreach["expected_value"] = -71.5
    publication.scores.loc[: len(FORMULAS) - 1, "name"] = FORMULAS
    visiting = visitor(tmp_path, example(outreach=publication.outreach, scores=publication.scores))
    for address in ("/outreach.csv", "/accounts.csv?sort=account_id"):
        rows = rows_of(visiting.get(address))
        assert all(row["name"].startswith("'") for row in rows[:7])
    assert rows_of(visiting.get("/outreach.csv"))[0]["expected_value"] == "-71.5"


@pytest.mark.fault("D11")
def test_a_file_s_name_cannot_break_its_header(tmp_path):
    publication = example()
    csm = 'A"b\r\nSet-Cookie: x=1; é/../😀'
    publication.outreach["csm"] = csm
    visiting = visitor(tmp_path, example(outreach=publication.outreach))
    reply = visiting.get("/outreach.csv", params={"csm": csm})
    told = reply.headers["content-disposition"]
    assert len(rows_of(reply)) == 7
    assert re.fullmatch(r"attachment; filename=\"[\w.-]+\"; filename\*=UTF-8''[\w.%-]+", told)
    assert "set-cookie" not in reply.headers
    assert disposition("plain.csv") == 'attachment; filename="plain.csv"'


@pytest.mark.fault("D04")
def test_a_file_of_more_than_a_million_rows_says_how_to_filter(visiting, monkeypatch):
    monkeypatch.setattr("serving.dashboard.downloads.LARGEST", 11)
    reply = visiting.get("/accounts.csv")
    assert reply.status_code == 413
    assert "filter by cell, csm or segment" in reply.json()["detail"]
    assert visiting.get("/accounts.csv?cell=HH").status_code == 200


def test_a_contact_is_logged_from_the_list_and_the_list_says_so(tmp_path):
    visiting = visitor(tmp_path, example())
    sent = {"play": "Save before renewal", "acted_on": "2025-06-30", "outcome": "<b>called</b>"}
    sent["play"] = next(
        value for value in re.findall(r"<option[^>]*>([^<]+)</option>",
                                      visiting.get("/outreach?csm=Ada").text)
        if value not in ("All", "Ada", "Ben", "Cleo")
    )  # fmt: skip
    reply = visiting.post("/outreach/a02/log?csm=Ada", data=sent, follow_redirects=False)
    assert reply.status_code == 303
    assert reply.headers["location"] == "/outreach?csm=Ada&done=a02#done"
    page = read(visiting, reply.headers["location"])
    assert "Logged: Birch & Co." in page.text
    assert f"Contacted 30 Jun 2025: {sent['play']}. <b>called</b>" in page.text
    assert "b" not in {tag for tag, _ in page.tags}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({"play": "Dance"}, "alert"),
        ({"play": "Standard QBR", "acted_on": "2031-01-01"}, "alert"),
        ({"play": "Standard QBR", "acted_on": "soon"}, "alert"),
        ({"play": "Standard QBR", "outcome": "x" * 501}, "alert"),
    ],
)
def test_a_form_that_is_not_right_comes_back_as_it_was_filled_in(visiting, sent, said):
    reply = visiting.post("/outreach/a02/log", data=sent)
    assert reply.status_code == 422
    tags = Reader(reply.text).tags
    assert [a for _, a in tags if a.get("role") == said]
    assert [a for tag, a in tags if tag == "details" and "open" in a]


def test_nothing_is_logged_for_an_account_that_is_not_there(visiting):
    assert visiting.post("/outreach/none/log", data={"play": "x"}).status_code == 404
    assert visiting.post("/outreach/a02/log", json={"play": "x"}).status_code == 415


@pytest.mark.fault("D02")
def test_a_form_of_another_site_logs_nothing(visiting):
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://elsewhere.example"}):
        reply = visiting.post("/outreach/a02/log", data={"play": "x"}, headers=headers)
        assert reply.status_code == 403


MILLION = 1_000_000
FILL = """
with recursive n(k) as (select 1 union all select k + 1 from n where k < {rows})
insert into scores ({columns}) select {values} from n
join scores s on s.run_id = :run and s.account_id = 'a01'
"""


@pytest.mark.slow
@pytest.mark.fault("D04")
def test_a_file_of_a_million_rows_is_sent_while_it_is_written(tmp_path):
    store = Store.open(tmp_path)
    run = store.publish(example(), now=NOW).run_id
    names = [column.name for column in tables.scores.c]
    values = ["'m' || printf('%07d', k)" if name == "account_id" else f"s.{name}" for name in names]
    with writing(store.engine) as connection:
        filled = FILL.format(rows=MILLION - 12, columns=", ".join(names), values=", ".join(values))
        connection.execute(sa.text(filled), {"run": run})
    code = (
        "import sys; from pathlib import Path; from serving.listing import listing_csv;"
        "from serving.queries import Filters; from serving.store import Store;"
        "store = Store.open(Path(sys.argv[1]));"
        "parts = listing_csv(store.engine, sys.argv[2], Filters(), '-mrr');"
        f"print(sum(part.count(b'\\n') for part in parts), {PEAK_MB})"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), run], capture_output=True, text=True, check=True
    )
    lines, megabytes = map(int, told.stdout.split())
    assert lines == MILLION + 1
    assert megabytes < 300
