"""The oracle's page on maturity: how far along the curve an account has come, and the points.

Activation (20 points), active weeks of 8 (30), core adoption (20, full at 60 %), advanced features
(15, full at three), integrations (10), advocacy (5). What is not known is left out, and the rest
is scaled up. What lies beyond habit (6 active weeks) counts only while the habit lasts.
"""

from __future__ import annotations

import math

from tests.pandas_adoption import (
    adoption_activated_30d,
    adoption_advanced_28d,
    adoption_core_adopted,
    adoption_days_to_activation,
    adoption_integrations_28d,
)
from tests.pandas_expansion import expansion_invites_30d
from tests.pandas_known import Known
from tests.pandas_page import MISSING, Page
from tests.pandas_relationship import relationship_advocacy_365d
from tests.pandas_usage import usage_active_weeks_8w

SIGNALS = Page()


def activation(known: Known, account: str) -> float:
    """Say whether the milestone was reached, early or late."""
    if not math.isnan(adoption_days_to_activation(known, account)):
        return 1.0
    return adoption_activated_30d(known, account)


def acts(known: Known, account: str) -> float:
    """Count acts of advocacy; three invitations are as good as a reference or a review."""
    told, invited = (
        relationship_advocacy_365d(known, account),
        expansion_invites_30d(known, account),
    )
    if math.isnan(told) and math.isnan(invited):
        return MISSING
    return (0 if math.isnan(told) else told) + (invited >= 3)


@SIGNALS.signal
def maturity_reached(known: Known, account: str) -> float:
    """1 activation, 2 habit, 3 advanced exploration, 4 integration, 5 advocacy."""
    weeks = usage_active_weeks_8w(known, account)
    if math.isnan(weeks):
        return MISSING
    if weeks < 6:
        return 1.0
    if acts(known, account) > 0:
        return 5.0
    if adoption_integrations_28d(known, account) > 0:
        return 4.0
    explores = (
        adoption_core_adopted(known, account) >= 0.6 and adoption_advanced_28d(known, account) > 0
    )
    return 3.0 if explores else 2.0


@SIGNALS.signal
def maturity_points(known: Known, account: str) -> float:
    """Maturity score, 0 to 100, over what is known of the six parts."""
    weeks = usage_active_weeks_8w(known, account)
    if math.isnan(weeks):
        return MISSING
    parts = (
        (20, activation(known, account)),
        (30, weeks / 8),
        (20, adoption_core_adopted(known, account) / 0.6),
        (15, adoption_advanced_28d(known, account) / 3),
        (10, adoption_integrations_28d(known, account)),
        (5, acts(known, account)),
    )
    told = [(weight, min(1.0, part)) for weight, part in parts if not math.isnan(part)]
    return 100 * sum(weight * part for weight, part in told) / sum(weight for weight, _ in told)
