"""Contract of who the customers are: accounts, their history, people, and what was done for them."""

from __future__ import annotations

from features.columns import Column
from features.declaration import ACCOUNT, CSM, RECORDED, UPDATED, TableContract, dated, midnight

__all__ = ["ACCOUNTS", "CONTACTS", "HISTORY", "OUTREACH"]

ACCOUNTS = TableContract(
    "accounts",
    "one row per customer, as it is today; further columns are kept as possible cuts",
    (
        ACCOUNT,
        Column("name", "text", "display name", personal=True),
        Column("segment", "text", "the user's own segment"),
        Column("industry", "text", "industry"),
        Column("region", "text", "region or country"),
        Column("acquisition_channel", "text", "where the account came from"),
        CSM,
        Column("parent_account_id", "id", "the account that this one belongs to"),
        Column("employees", "integer", "headcount of the customer", least=0),
        dated("signed_on", "first signature"),
        UPDATED,
    ),
    ("account_id",),
    stranger="none",
    extras=True,
)

HISTORY = TableContract(
    "account_history",
    "the dated form of columns of accounts",
    (
        ACCOUNT,
        dated("valid_from", "first day on which this holds", required=True),
        Column("segment", "text", "segment from that day"),
        CSM,
        Column("parent_account_id", "id", "parent from that day"),
        Column("merged_into", "id", "the account that took this one over"),
        RECORDED,
        UPDATED,
    ),
    ("account_id", "valid_from"),
    known=midnight("valid_from"),
)

CONTACTS = TableContract(
    "contacts",
    "who the people are",
    (
        Column("contact_id", "id", "the person", required=True, personal=True),
        ACCOUNT,
        Column("area", "text", "part of the customer"),
        Column("role", "choice", "role", allowed=("champion", "sponsor", "admin", "user")),
        dated("left_on", "day on which the person left"),
        UPDATED,
    ),
    ("contact_id",),
)

OUTREACH = TableContract(
    "outreach_log",
    "which play was given to which account, and what came of it",
    (
        Column("outreach_id", "id", "the assignment"),
        ACCOUNT,
        dated("assigned_on", "when it was given", required=True, past=True),
        Column("play", "text", "which play", required=True),
        Column("arm", "choice", "drawn or held", required=True, allowed=("treated", "holdout")),
        dated("acted_on", "when it was done", past=True),
        Column("outcome", "text", "what came of it"),
        CSM,
        RECORDED,
        UPDATED,
    ),
    ("outreach_id",),
    known=midnight("assigned_on"),
)
