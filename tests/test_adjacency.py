import numpy as np
import pandas as pd

from features import adjacency
from features.adjacency import neighbours
from tests.small_books import line, small_book
from tests.small_books import measured as measure


def held(owned, peers="smb"):
    rows = [(name, product) for name, products in owned.items() for product in products]
    return pd.DataFrame(rows, columns=["account_id", "product"]).assign(peers=peers)


OWNED = {
    "a": ["desk"],
    "b": ["desk", "mail"],
    "c": ["desk", "mail"],
    "d": ["desk", "chat"],
    "e": ["desk"],
    "f": ["desk", "mail", "chat"],
}


def test_the_product_that_most_similar_accounts_own():
    found = neighbours(held(OWNED))
    # five others own desk: three of them mail, two chat
    assert found.loc["a"].to_dict() == {"share": 3 / 5, "product": "mail"}
    # only f and c own desk and mail too: too few to speak of
    assert np.isnan(found.loc["b", "share"])


def test_of_equals_the_first_by_name_whatever_the_order():
    owned = OWNED | {"d": ["desk", "chat"], "e": ["desk", "chat"]}
    found = neighbours(held(owned).sample(frac=1, random_state=3))
    assert found.loc["a"].to_dict() == {"share": 3 / 5, "product": "chat"}


def test_other_peers_say_nothing():
    others = {name: owned for name, owned in OWNED.items() if name != "a"}
    both = pd.concat([held({"a": ["desk"]}, "enterprise"), held(others)])
    assert np.isnan(neighbours(both).loc["a", "share"])


def test_similar_accounts_that_own_nothing_else_are_zero():
    owned = {name: ["desk"] for name in "abcdef"}
    found = neighbours(pd.concat([held(owned), held({"z": ["mail"]}, "other")]))
    assert (found.loc["a", "share"], found.loc["a", "product"]) == (0, None)


def test_a_book_of_one_product_has_no_neighbours():
    assert neighbours(held({name: ["desk"] for name in "abcdef"})).empty


def test_only_products_in_force_count():
    lines = [line(name, product=product) for name, owned in OWNED.items() for product in owned]
    lines += [line("a", product="mail", ends_on="2025-06-30")]
    a = measure(small_book(lines), adjacency)
    assert (a.adjacency_share, a.adjacent_product) == (3 / 5, "mail")


def test_a_contact_of_the_neighbour_s_area_is_known_until_it_leaves():
    lines = [line(name, product=product) for name, owned in OWNED.items() for product in owned]
    contact = {"contact_id": "1", "account_id": "a", "area": "Mail ", "left_on": None}
    asked = [
        ([contact], True),
        ([contact | {"left_on": "2025-06-30"}], False),
        ([contact | {"left_on": "2025-07-01"}], True),
        ([contact | {"area": "desk"}], False),
        ([contact | {"account_id": "b"}], False),
    ]
    for contacts, known in asked:
        found = measure(small_book(lines, contacts=contacts), adjacency)
        assert found.adjacent_contact is known, contacts
    assert measure(small_book(lines), adjacency).adjacent_contact is None
    nobody = small_book(lines, contacts=[contact])
    assert measure(nobody, adjacency, account="f").adjacent_contact is None  # it lacks nothing
