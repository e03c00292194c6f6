"""What a person reads on the terminal: tables with units, periods and definitions."""

from serving.terminal.actual import against_actual
from serving.terminal.alerts import alerts, crm_export
from serving.terminal.backtest import backtest
from serving.terminal.book import ingested, simulated
from serving.terminal.bulk import in_bulk
from serving.terminal.check import checked, each_signal
from serving.terminal.closing import closed
from serving.terminal.forecast import forecasts
from serving.terminal.initiated import initiated
from serving.terminal.keys import audited, key_changed, key_made, keys
from serving.terminal.models import model, model_change, models
from serving.terminal.outreach import called, effects, logged, outreach, planned
from serving.terminal.paper import answer, emit, say, steps
from serving.terminal.privacy import erased, purged
from serving.terminal.reconciliation import reconciled
from serving.terminal.revenue import metrics
from serving.terminal.run import account, matrix, scored, training
from serving.terminal.runs import approved, backfilled, ran
from serving.terminal.safety import (
    backed_up,
    backup_verified,
    compacted,
    examined,
    restored,
    verified,
)
from serving.terminal.signals import signals
from serving.terminal.what_if import answered, scenario

__all__ = [
    "account",
    "against_actual",
    "alerts",
    "answer",
    "answered",
    "approved",
    "audited",
    "backed_up",
    "backfilled",
    "backtest",
    "backup_verified",
    "called",
    "checked",
    "closed",
    "compacted",
    "crm_export",
    "effects",
    "each_signal",
    "emit",
    "erased",
    "examined",
    "forecasts",
    "in_bulk",
    "ingested",
    "initiated",
    "key_changed",
    "key_made",
    "keys",
    "logged",
    "matrix",
    "metrics",
    "model",
    "model_change",
    "models",
    "outreach",
    "planned",
    "purged",
    "ran",
    "reconciled",
    "restored",
    "say",
    "scenario",
    "scored",
    "signals",
    "simulated",
    "steps",
    "training",
    "verified",
]
