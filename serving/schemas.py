"""The columns of what is published: name, kind, and one line of meaning, declared once.

The store's tables, the exports, the API's schema and the docs are all read from here.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = [
    "BRIEF_TABLE",
    "CELLS",
    "OUTREACH_COLUMNS",
    "OUTREACH_TABLE",
    "PACKED_COLUMNS",
    "PROBABILITIES",
    "SCORE_COLUMNS",
    "SCORE_TABLE",
    "Column",
]

Kind = Literal["text", "date", "integer", "number", "list"]


class Column(NamedTuple):
    """One published column.

    Attributes
    ----------
    name : str
        As in CONTRACT section 3.
    kind : str
        ``text``, ``date``, ``integer``, ``number`` or ``list`` (JSON text in CSV).
    doc : str
        Its meaning and unit, in one line.
    """

    name: str
    kind: Kind
    doc: str


SCORE_TABLE: tuple[Column, ...] = (
    Column("run_id", "text", "Run that published the row."),
    Column("as_of", "date", "Date before which everything used was known."),
    Column("account_id", "text", "The account, as in the book."),
    Column("name", "text", "Its name."),
    Column("segment", "text", "Its segment."),
    Column("csm", "text", "Customer success manager in charge."),
    Column("currency", "text", "Reporting currency of every amount in the row (ISO 4217)."),
    Column("mrr", "number", "Monthly recurring revenue at the opening, in the currency's units."),
    Column("next_renewal_on", "date", "Next contract decision; empty when there is none."),
    Column("horizon_months", "integer", "Months ahead that the state probabilities speak of."),
    Column("p_retain", "number", "Probability of still paying at the horizon: 1 - p_churn."),
    Column("p_renew", "number", "Probability of passing the next decision (see renew_basis)."),
    Column("renew_basis", "text", "What p_renew stands on: decision, extrapolated or horizon."),
    Column("p_expand", "number", "Probability of paying at least 2 % more at the horizon."),
    Column("p_contract", "number", "Probability of paying at least 2 % less at the horizon."),
    Column("p_flat", "number", "Probability of paying about the same at the horizon."),
    Column("p_churn", "number", "Probability of not paying at the horizon."),
    Column(
        "expected_mrr", "number", "Mean MRR at the horizon; over a book the forecast's closing MRR."
    ),
    Column("mrr_p10", "number", "MRR at the horizon: one chance in ten to be below."),
    Column("mrr_p50", "number", "Median MRR at the horizon."),
    Column("mrr_p90", "number", "MRR at the horizon: one chance in ten to be above."),
    Column(
        "expected_expansion_mrr",
        "number",
        "Mean expansion MRR at the horizon, price and drift included.",
    ),
    Column("expected_loss_mrr", "number", "Mean MRR lost to churn and contraction at the horizon."),
    Column("retention_health", "text", "High, Medium or Low, from p_renew."),
    Column("expansion_readiness", "text", "High, Medium or Low, from p_expand."),
    Column("cell", "text", "Published cell: retention, then expansion, e.g. HL."),
    Column("raw_cell", "text", "Cell before hysteresis."),
    Column("previous_cell", "text", "Cell of the run before; empty for a new account."),
    Column("moved_because", "list", "What drove the move from the previous cell."),
    Column("action", "text", "What the cell asks for."),
    Column("guard", "text", "What holds an expansion talk back now; empty when nothing does."),
    Column("lever", "text", "Likely expansion lever: seat, tier, product or usage."),
    Column("maturity_stage", "text", "Furthest stage of the maturity curve that is supported."),
    Column("maturity_score", "number", "Maturity, 0 to 100."),
    Column("data_coverage", "number", "Share of signals that could be computed, 0 to 1."),
    Column("reasons_retention", "list", "Signals associated with p_renew, strongest first."),
    Column("reasons_expansion", "list", "Signals associated with p_expand, strongest first."),
    Column("triggers", "list", "Triggers that fire for the account."),
    Column("csm_call", "text", "The CSM's own call, kept beside the machine's."),
    Column("status", "text", "scored or unscorable."),
    Column(
        "status_reason",
        "text",
        "Why it could not be scored, or what else its figures rest on; else empty.",
    ),
    Column("model_version", "text", "Version of the model that scored it."),
)
SCORE_COLUMNS: tuple[str, ...] = tuple(column.name for column in SCORE_TABLE)

PACKED_COLUMNS = (
    "currency",
    "horizon_months",
    "renew_basis",
    "p_contract",
    "p_flat",
    "mrr_p10",
    "mrr_p50",
    "mrr_p90",
    "retention_health",
    "expansion_readiness",
    "action",
    "guard",
    "lever",
    "maturity_stage",
    "reasons_retention",
    "reasons_expansion",
    "triggers",
    "csm_call",
    "status_reason",
)
"""Of an old run: what is read of an account, and never asked for (`serving.compaction`)."""
_OF_THE_RUN = ("run_id", "as_of", "model_version")
BRIEF_TABLE: tuple[Column, ...] = tuple(
    column for column in SCORE_TABLE if column.name not in (*PACKED_COLUMNS, *_OF_THE_RUN)
)
"""Of an old run: what accounts are filtered, sorted, counted and followed by."""

OUTREACH_TABLE: tuple[Column, ...] = (
    Column("rank", "integer", "Place in the list, 1 first."),
    Column("account_id", "text", "The account, as in the book."),
    Column("name", "text", "Its name."),
    Column("csm", "text", "Customer success manager in charge."),
    Column("segment", "text", "Its segment."),
    Column("cell", "text", "Published cell."),
    Column("kind", "text", "save or expansion."),
    Column("play", "text", "The play to run."),
    Column("action", "text", "What the cell asks for."),
    Column("mrr", "number", "Monthly recurring revenue, in the currency's units."),
    Column("expected_value", "number", "Yearly value of acting, less its cost."),
    Column("p_event", "number", "Probability of what the play is about."),
    Column("next_renewal_on", "date", "Next contract decision; empty when there is none."),
    Column("guard", "text", "What holds an expansion talk back now; empty when nothing does."),
    Column("lever", "text", "Likely expansion lever."),
    Column("reasons", "list", "Why the account is listed, strongest first."),
    Column("triggers", "list", "Triggers that fire for the account."),
    Column("evidence", "text", "What a play beyond the cell goes by; empty for the cell's own."),
    Column("how", "text", "How the play is done, in a few sentences."),
    Column("others", "list", "Other plays of the account, what each is worth, what holds it."),
    Column("note", "text", "How often it was listed before without a contact being logged."),
    Column("csm_call", "text", "The CSM's own call, kept beside the machine's."),
    Column("propensity", "number", "Chance with which the account could have been held out."),
)
OUTREACH_COLUMNS: tuple[str, ...] = tuple(column.name for column in OUTREACH_TABLE)

PROBABILITIES = ("p_retain", "p_renew", "p_expand", "p_contract", "p_flat", "p_churn")
CELLS = ("HH", "HM", "HL", "MH", "MM", "ML", "LH", "LM", "LL")
