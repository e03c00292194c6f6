"""The command line: the one place where everything is put together, and where the clock is read.

Heavy libraries are imported inside the commands that need them, so that ``--help`` stays fast.
"""

from __future__ import annotations

import typer

from serving.cli import (
    alerts,
    backtest,
    backup,
    book,
    bulk,
    compact,
    digest,
    doctor,
    forecast,
    init,
    job,
    keys,
    learning,
    models,
    monitor,
    outreach,
    privacy,
    report,
    revenue,
    verify,
    week,
)
from serving.cli.refusals import Refusals
from serving.cli.stopping import stoppable
from serving.surroundings import private_files
from serving.unpickling import forbid_pickles

__all__ = ["app", "main"]

app = typer.Typer(
    name="perennial",
    help="Which customers will renew, which will grow, and what NRR will be next period.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for _command in (
    learning.demo,
    learning.simulate,
    init.init,
    book.check,
    book.ingest,
    book.features,
    revenue.metrics,
    revenue.close,
    learning.train,
    backtest.backtest,
    models.models,
    job.score,
    job.approve,
    job.runs,
    bulk.bulk,
    outreach.outreach,
    outreach.call,
    forecast.forecast,
    digest.digest,
    report.report,
    week.explain,
    week.serve,
    keys.keys,
    alerts.alerts,
    alerts.export,
    monitor.monitor,
    verify.verify,
    compact.compact,
    privacy.erase,
    privacy.purge,
    doctor.doctor,
    backup.backup,
    backup.restore,
):
    app.command()(_command)


def main() -> None:
    """Run the command line; faults become one line on standard error and an exit code."""
    forbid_pickles()
    with Refusals(), stoppable(), private_files():
        app()
