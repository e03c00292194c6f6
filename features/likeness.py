"""Likeness: by what names columns and tables of the contract go elsewhere."""

from __future__ import annotations

import re

from features.contracts import TABLES

__all__ = ["COLUMNS", "FILES", "plain", "tables_of"]

FILES: dict[str, str] = {
    "accounts": "account customer company client organization organisation tenant workspace",
    "subscriptions": "subscription contract license licence line",
    "mrr_by_month": "mrr arr",
    "usage": "usage activity event log track",
    "tickets": "ticket case conversation",
    "touchpoints": "touchpoint meeting call",
    "opportunities": "opportunity deal",
    "payments": "payment invoice",
    "limits": "limit allowance",
    "contacts": "contact",
    "plans": "plan price",
    "fx_rates": "fx rate",
}
"""Table → words of a file's name that speak for it, in the singular."""

COLUMNS: dict[str, str] = {
    "account_id": "customer_id customer account company_id client_id client org_id organization_id "
    "organisation_id account_number customer_number customer_no account_no customer_code "
    "account_code tenant_id workspace_id group_id context_group_id company account_name customer_name "
    "company_name kunde kundennummer kunden_nr kundenname",
    "name": "company_name account_name customer_name company display_name",
    "region": "country",
    "industry": "sector vertical",
    "segment": "size company_size",
    "csm": "owner account_owner customer_success_manager account_manager",
    "acquisition_channel": "channel lead_source",
    "employees": "headcount number_of_employees employee_count",
    "parent_account_id": "parent parent_id parent_account",
    "signed_on": "customer_since signup_date signed_up_at signed_at created_at created",
    "subscription_id": "id contract_id line_id subscription contract_number",
    "plan": "plan_name plan_code tier package",
    "product": "product_name product_code",
    "seats": "quantity licenses licences seat_count users",
    "currency": "currency_code",
    "starts_on": "start start_date started_at period_start contract_start valid_from",
    "ends_on": "end end_date ended_at period_end contract_end expires_at valid_to",
    "canceled_on": "canceled_at cancelled_at cancelled_on cancellation_date notice_date",
    "renews_on": "renewal renewal_date next_renewal",
    "mrr": "monthly_amount monthly_revenue monthly_price monthly_recurring_revenue",
    "amount": "price total total_price value",
    "interval_months": "billing_months bill_period_months",
    "term_months": "contract_months term contract_term_months",
    "auto_renew": "auto_renewal autorenew",
    "status": "state",
    "month": "period date",
    "occurred_at": "timestamp time event_time created_at created date day datetime",
    "feature": "event event_name action feature_name",
    "user_id": "user distinct_id actor_id member_id uuid",
    "count": "events n times event_count",
    "event_id": "id insert_id message_id",
    "kind": "type event_type",
    "ticket_id": "id case_id case_number ticket number",
    "opened_at": "created_at created opened created_date",
    "closed_at": "solved_at closed resolved_at closed_date",
    "severity": "priority urgency",
    "category": "type topic",
    "csat": "satisfaction rating satisfaction_rating",
    "first_response_minutes": "first_reply_minutes first_reply_time_minutes",
    "opportunity_id": "id deal_id",
    "opened_on": "created_at created created_date create_date",
    "stage": "stage_name deal_stage",
    "closed_on": "close_date closed closed_at",
    "won": "is_won",
    "invoice_id": "id invoice_number number",
    "due_on": "due_date due",
    "paid_on": "paid_at paid_date payment_date",
    "contact_id": "id",
    "rate": "exchange_rate",
    "metric": "limit_name",
    "observed_on": "date day",
}
"""Contract column → other names it goes by, as `plain` writes them."""


def plain(name: str) -> str:
    """Write a name in small letters, its words joined by underscores.

    Examples
    --------
    >>> plain(" Customer ID"), plain("startDate"), plain("Created (UTC)")
    ('customer_id', 'start_date', 'created_utc')
    """
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", apart.lower()).strip("_")


def tables_of(place: str) -> list[str]:
    """Say which tables a file's name speaks for: the one that it is called after comes first.

    Examples
    --------
    >>> tables_of("exports/Customers 2025.csv"), tables_of("events.parquet"), tables_of("x.csv")
    (['accounts'], ['events', 'usage'], [])
    """
    stem = plain(place.rsplit("/", 1)[-1].split(".")[0])
    words = {word for part in stem.split("_") for word in (part, part.removesuffix("s"))}
    words |= {word[:-2] + "y" for word in words if word.endswith("ie")}
    spoken = [table for table, known in FILES.items() if words & set(known.split())]
    return [stem, *(each for each in spoken if each != stem)] if stem in TABLES else spoken
