"""The pictures: they add up, they can be read without colour, and they are the same every time."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.test_terminal import BODY, COHORTS, NOTHING, WINDOW

WORDS = ("opening", "new", "returned", "expansion", "contraction", "churned", "closing")


def picture(**more: Any) -> Any:
    from serving.drawings import figure  # matplotlib takes half a second

    return figure(BODY | {"windows": [WINDOW]} | more)


def texts(panel: Any) -> list[str]:
    return [text.get_text() for text in panel.texts]


def test_the_bars_lead_from_the_opening_to_the_closing() -> None:
    from serving.drawings_waterfall import bars

    found = bars(WINDOW | {"fx_mrr": -0.0})
    assert [bar.word.split("\n")[0] for bar in found] == [
        word for word in WORDS if word != "returned"
    ]
    assert found[-2].end == pytest.approx(WINDOW["closing_mrr"])
    for left, right in pairwise(found[:-1]):
        assert left.end == right.start
    assert [bar.kind for bar in found] == ["level", "gain", "gain", "loss", "loss", "level"]


def test_rates_that_fall_are_a_loss() -> None:
    from serving.drawings_waterfall import bars

    fx = next(bar for bar in bars(WINDOW | {"fx_mrr": -7.0}) if bar.word.startswith("exchange"))
    assert (fx.kind, fx.end - fx.start) == ("loss", -7.0)


def test_gains_and_losses_differ_by_more_than_colour() -> None:
    panel = picture().axes[0]
    kinds = {bar.get_hatch() for bar in panel.patches}
    assert kinds == {None, "///", "xxx"}
    signs = {text[0] for text in texts(panel) if text[1:2].isdigit() and text[0] in "+−"}
    assert signs == {"+", "−"}


def test_titles_say_currency_window_and_definition() -> None:
    waterfall, cohorts = picture(cohorts=COHORTS).axes
    said = waterfall.get_title(loc="left") + " ".join(texts(waterfall))
    for part in ("EUR", "2024-05-31 to 2025-05-31", "NRR 103.1 %", "rules: preset default"):
        assert part in said
    assert "quarter" in cohorts.get_title(loc="left")
    assert "by lever, net: seat +35" in waterfall.get_xlabel()


def test_every_cell_prints_its_figure_and_what_is_not_reached_stays_empty() -> None:
    panel = picture(cohorts=COHORTS).axes[1]
    assert texts(panel)[1:6] == ["100", "90", "80", "100", "121"]
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["2024-Q4 (30)", "2025-Q1* (4)"]


def test_of_many_quarters_the_latest_twelve_are_drawn_and_it_is_said() -> None:
    many = [COHORTS["cohorts"][0] | {"cohort": f"{y}-Q{q}"} for y in range(2015, 2025) for q in (1, 2, 3, 4)]  # fmt: skip
    panel = picture(cohorts=COHORTS | {"cohorts": many}).axes[1]
    assert "the latest 12 of 40 quarters" in panel.get_title(loc="left")
    assert len(panel.get_yticklabels()) == 12


def test_a_long_life_is_drawn_by_the_quarter() -> None:
    from serving.drawings_heatmap import cells

    old = COHORTS["cohorts"][0] | {"nrr": [1.0] * 31 + [None] * 30}
    assert cells({"months_since": list(range(61)), "cohorts": [old]})[1] == list(range(0, 31, 3))


def test_a_window_without_figures_says_why() -> None:
    empty = WINDOW | NOTHING | {"reason": "no account has paid yet"}
    drawn = picture(windows=[empty], cohorts=COHORTS)
    assert "no account has paid yet" in texts(drawn.axes[0])
    assert drawn.get_figheight() < picture(cohorts=COHORTS).get_figheight() - 3


def test_cohorts_say_at_which_exchange_rates_they_are_valued() -> None:
    panel = picture(cohorts=COHORTS | {"rates_of": "2025-01-01"}).axes[1]
    assert any("exchange rates of 2025-01-01" in text for text in texts(panel))


@pytest.mark.ci
def test_the_smallest_picture_has_room_for_its_labels() -> None:
    empty = WINDOW | NOTHING | {"reason": "no account has paid yet"}
    one = COHORTS | {"cohorts": COHORTS["cohorts"][:1]}
    drawn = picture(windows=[empty], cohorts=one)
    drawn.canvas.draw()
    box = drawn.axes[1].yaxis.label.get_window_extent()
    assert drawn.bbox.y0 <= box.y0 <= box.y1 <= drawn.bbox.y1


@pytest.mark.ci
@pytest.mark.parametrize("scale", [1, 1e-3, 1e4, 1e9])
def test_no_two_labels_overlap_and_none_is_cut_off(scale: float) -> None:
    window = {k: v * scale if k.endswith("_mrr") else v for k, v in WINDOW.items()}
    drawn = picture(windows=[window | {"fx_mrr": 5 * scale}], cohorts=COHORTS)
    drawn.canvas.draw()
    page = drawn.bbox
    for panel in drawn.axes:
        ticks = [tick for tick in panel.get_xticklabels() if tick.get_text()]
        labels = [*panel.texts, *ticks, panel.title, panel.xaxis.label]
        boxes = [(label.get_text(), label.get_window_extent()) for label in labels]
        boxes = [(text, box) for text, box in boxes if text]
        for text, box in boxes:
            assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
            assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
        for (one, a), (other, b) in combinations(boxes, 2):
            assert not a.overlaps(b), (one, other)


@pytest.mark.ci
@pytest.mark.parametrize("kind", ["svg", "png"])
def test_the_same_figures_give_the_same_bytes_in_another_process(tmp_path: Path, kind: str) -> None:
    code = (
        "import sys; from pathlib import Path; from serving.drawings import draw;"
        "from tests.test_terminal import BODY, COHORTS, WINDOW;"
        "draw(BODY | {'windows': [WINDOW], 'cohorts': COHORTS}, Path(sys.argv[1]))"
    )
    files = [tmp_path / f"{n}.{kind}" for n in (1, 2)]
    for seed, file in enumerate(files):
        environment = {"PYTHONHASHSEED": str(seed), "PYTHONPATH": "."}
        asked = [sys.executable, "-c", code, str(file)]
        root = Path(__file__).resolve().parents[1]
        subprocess.run(asked, check=True, env=environment, cwd=root)
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert first[:5] in (b"<?xml", b"\x89PNG\r")
    assert b"<dc:date>" not in first
    assert sorted(each.name for each in tmp_path.iterdir()) == [f"1.{kind}", f"2.{kind}"]


def test_a_picture_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    from serving.drawings import draw

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", full)
    file = tmp_path / "old.svg"
    file.write_text("old")
    with pytest.raises(OSError, match="No space left"):
        draw(BODY | {"windows": [WINDOW]}, file)
    assert [each.name for each in tmp_path.iterdir()] == ["old.svg"]
    assert file.read_text() == "old"
