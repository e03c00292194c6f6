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


def test_a_fuller_phrase_quotes_signals_that_there_are():
    slugs = {signal.slug for signal in CATALOG}
    assert all({*signal.quotes} <= slugs for signal in CATALOG)


@pytest.mark.parametrize("signal", CATALOG, ids=lambda signal: signal.slug)
@pytest.mark.parametrize("value", [0.0, 1.0, 41.0])
def test_phrases_are_whole_sentences_that_promise_nothing(signal, value):
    beside = dict.fromkeys(signal.quotes, 23.0)
    for said in (signal.say(value), signal.say(value, beside)):
        assert not {"{", "}", "  "} & {*said, *[said[at : at + 2] for at in range(len(said))]}
        assert not {"will", "because", "nan"} & {*said.lower().split()}
        assert not said.startswith("0 ")


def test_a_csm_reads_then_and_now():
    by_slug = {signal.slug: signal for signal in CATALOG}
    told = by_slug["usage_wau_ratio"].say(23 / 41, {"usage_wau_before": 41, "usage_users_7d": 23})
    assert told == "weekly active users 41 → 23 against its own 4-week median"
