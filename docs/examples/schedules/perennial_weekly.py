"""The weekly job as an Airflow DAG (Airflow 3): Mondays at 05:15 UTC.

`perennial score` says by its exit code what to do next: 69 and 75 are tried again, 65 (data refused,
or a gate held the run) and all others fail at once, because trying again changes nothing.
"""

from __future__ import annotations

import logging
import subprocess
from datetime import timedelta

import pendulum
from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

log = logging.getLogger("perennial")

WORKSPACE = "/srv/perennial"
PERENNIAL = "/opt/perennial/bin/perennial"
TRY_AGAIN = {69: "something does not answer", 75: "somebody else is at work"}


def run(*words: str) -> str:
    """Run a command in the workspace; its exit code decides whether Airflow tries again."""
    done = subprocess.run(
        [PERENNIAL, *words], cwd=WORKSPACE, capture_output=True, text=True, check=False
    )
    log.info(done.stderr)
    if done.returncode in TRY_AGAIN:
        raise AirflowException(TRY_AGAIN[done.returncode])
    if done.returncode != 0:
        raise AirflowFailException(f"exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


@dag(
    schedule="15 5 * * 1",
    start_date=pendulum.datetime(2025, 1, 6, tz="UTC"),
    catchup=False,  # one run tells of today; past weeks are a backfill, asked for by itself
    max_active_runs=1,
    tags=["perennial"],
)
def perennial_weekly() -> None:
    """Score, write the digest, send the alerts that are due."""

    @task(retries=3, retry_delay=timedelta(minutes=20), execution_timeout=timedelta(hours=2))
    def score() -> str:
        return run("score", "--json")

    @task(retries=1, retry_delay=timedelta(minutes=5))
    def digest(published: str) -> None:
        log.info(published)
        run("digest", "--out", f"{WORKSPACE}/digest.html")

    @task(retries=3, retry_delay=timedelta(minutes=20))
    def alerts() -> None:
        log.info(run("alerts", "send"))

    digest(score()) >> alerts()


perennial_weekly()
