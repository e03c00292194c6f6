from pathlib import Path

import pytest

from features.catalog import CATALOG, as_markdown

PAGE = Path(__file__).resolve().parents[1] / "docs" / "signals.md"


def test_the_page_is_the_catalogue():
    cure = 'run python -c "from features.catalog import as_markdown; print(as_markdown())"'
    assert PAGE.read_text(encoding="utf-8") == as_markdown() + "\n", f"{cure} > docs/signals.md"


def test_slugs_are_unique_and_start_with_their_family():
    slugs = [signal.slug for signal in CATALOG]
    assert len(set(slugs)) == len(slugs)
    assert all(signal.slug.startswith(f"{signal.family}_") for signal in CATALOG)


@pytest.mark.parametrize("signal", CATALOG, ids=lambda signal: signal.slug)
def test_every_signal_can_be_said(signal):
    assert signal.say(1.0) != signal.phrase
    assert signal.say(float("nan")).startswith("not known: ")
    assert signal.churn in (-1, 0, 1)
    assert signal.expansion in (-1, 0, 1)
