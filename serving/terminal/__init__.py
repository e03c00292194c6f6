"""What a person reads on the terminal: tables with units, periods and definitions."""

from serving.terminal.backtest import backtest
from serving.terminal.book import ingested, simulated
from serving.terminal.closing import closed
from serving.terminal.forecast import forecast, forecasts
from serving.terminal.models import model, model_change, models
from serving.terminal.paper import answer, emit, say, steps
from serving.terminal.reconciliation import reconciled
from serving.terminal.revenue import metrics
from serving.terminal.run import account, matrix, outreach, scored, training
from serving.terminal.signals import signals

__all__ = [
    "account",
    "answer",
    "backtest",
    "closed",
    "emit",
    "forecast",
    "forecasts",
    "ingested",
    "matrix",
    "metrics",
    "model",
    "model_change",
    "models",
    "outreach",
    "reconciled",
    "say",
    "scored",
    "signals",
    "simulated",
    "steps",
    "training",
]
