"""What wakes a person: the rules for Prometheus stand on metrics that the server tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from serving.app import create_app
from serving.model_at_hand import ModelState
from serving.store import Store
from tests.example_publication import NOW, example

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "docs" / "examples" / "monitoring" / "perennial.rules.yml"
METRIC = re.compile(r"perennial_\w+")


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return list(group["rules"])


@pytest.mark.ci
def test_every_metric_of_a_rule_is_told_and_a_held_run_shows(tmp_path: Path) -> None:
    app = create_app(tmp_path, model=lambda: ModelState("3", "m1"), now=lambda: NOW)
    store: Store = app.state.serving.store
    empty = TestClient(app, base_url="http://127.0.0.1").get("/metrics").text
    assert "perennial_run_held 0.0" in empty
    assert "perennial_published_accounts" not in empty
    store.publish(example(), now=NOW)
    store.publish(example(snapshot_id="s2"), now=NOW, held=("odd",))
    text = TestClient(app, base_url="http://127.0.0.1").get("/metrics").text
    assert "perennial_run_held 1.0" in text
    assert "perennial_published_timestamp_seconds 1.7513514e+09" in text
    known = set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))
    named = {name for rule in rules() for name in METRIC.findall(rule["expr"])}
    assert named - known == set()
    assert len(named) >= 8


def test_every_rule_says_what_is_wrong_and_what_to_do() -> None:
    for rule in rules():
        assert re.fullmatch(r"Perennial[A-Za-z]+", rule["alert"])
        assert set(rule["annotations"]) == {"summary", "cure"}
        assert rule["labels"]["severity"] in ("page", "ticket")
    assert "PerennialStalePublish" in [rule["alert"] for rule in rules()]
