"""What a CRM is to hold of every account: columns by name, for an import as CSV or record by record.

The external id is the account's id in the book; an import that finds it again updates the record.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from serving.exports import safe_cell

__all__ = ["FIELDS", "Crm", "crm_csv", "records"]

Crm = Literal["salesforce", "hubspot"]
_RESTS = ("other", "calendar", "leaves_first")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


class Field(NamedTuple):
    """One column of an import.

    Attributes
    ----------
    column : str
        As in the scores (CONTRACT section 3); reasons and triggers become text, what a chance has
        left beside its reasons is not told.
    salesforce, hubspot : str
        The API name of the custom field of an Account, the internal name of a company's property.
    """

    column: str
    salesforce: str
    hubspot: str


FIELDS: tuple[Field, ...] = tuple(
    Field(column, f"Perennial_{name}__c", f"perennial_{column}")
    for column, name in (
        ("account_id", "Account_Id"),
        ("as_of", "As_Of"),
        ("cell", "Cell"),
        ("previous_cell", "Previous_Cell"),
        ("retention_health", "Retention_Health"),
        ("expansion_readiness", "Expansion_Readiness"),
        ("action", "Action"),
        ("p_renew", "Renewal_Probability"),
        ("p_expand", "Expansion_Probability"),
        ("p_churn", "Churn_Probability"),
        ("expected_expansion_mrr", "Expected_Expansion_MRR"),
        ("expected_loss_mrr", "Expected_Loss_MRR"),
        ("mrr", "MRR"),
        ("currency", "Currency"),
        ("next_renewal_on", "Next_Renewal"),
        ("lever", "Lever"),
        ("guard", "Guard"),
        ("maturity_stage", "Maturity_Stage"),
        ("reasons_retention", "Retention_Reasons"),
        ("reasons_expansion", "Expansion_Reasons"),
        ("triggers", "Triggers"),
    )
)
"""The columns of an import, the external id first."""


def records(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give rows of the scores as records of a CRM: dates as ISO text, lists as one text.

    Examples
    --------
    >>> row = dict.fromkeys(field.column for field in FIELDS) | {"account_id": "a", "mrr": -0.5,
    ...     "triggers": [{"trigger": "gone_quiet", "evidence": "quiet for 9 days"}]}
    >>> [(name, value) for name, value in records([row])[0].items() if value]
    [('account_id', 'a'), ('mrr', -0.5), ('triggers', 'quiet for 9 days')]
    """
    return [{field.column: _value(row[field.column]) for field in FIELDS} for row in rows]


def crm_csv(rows: Iterable[Mapping[str, Any]], crm: Crm) -> tuple[bytes, list[str]]:
    """Write rows of the scores as CSV for an import.

    Returns
    -------
    bytes
        RFC 4180 in UTF-8. A text that a spreadsheet would run gets an apostrophe before it;
        numbers stay numbers.
    list of str
        Accounts that were left out, because their id would need an apostrophe: the import would
        make a second record of them.

    Examples
    --------
    >>> row = dict.fromkeys(field.column for field in FIELDS) | {"account_id": "=1+1"}
    >>> crm_csv([row], "hubspot")[1]
    ['=1+1']
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([getattr(field, crm) for field in FIELDS])
    left_out = []
    for record in records(rows):
        external = str(record["account_id"])
        if _cell(external) != external:
            left_out.append(external)
            continue
        writer.writerow([_cell(value) for value in record.values()])
    return text.getvalue().encode("utf-8"), left_out


def _value(value: Any) -> Any:
    if value is None or isinstance(value, int | float | str):
        return value
    if isinstance(value, Sequence):
        return "; ".join(_said(one) for one in value if not _rest(one)) or None
    return value.isoformat()


def _rest(one: Any) -> bool:
    """Say whether a line of reasons is no reason, but what is left of the chance."""
    return isinstance(one, Mapping) and one.get("signal") in _RESTS


def _said(one: Any) -> str:
    """Say a reason or a trigger."""
    if not isinstance(one, Mapping):
        return str(one)
    names = ("phrase", "evidence", "trigger", "signal")
    return next((str(one[name]) for name in names if one.get(name)), "")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        return repr(value)
    return value if _NUMBER.fullmatch(value) else safe_cell(value)
