"""Work of several hands comes in its order, its errors too, and nothing is left behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest

from features.ahead import ahead, each

closed: list[int] = []


def pieces(number: int, how_many: int = 3, broken: bool = False) -> Iterator[tuple[int, int]]:
    try:
        time.sleep(0.01 * (3 - number))
        for n in range(how_many):
            yield number, n
        if broken:
            raise ValueError(number)
    finally:
        closed.append(number)


@pytest.mark.parametrize("hands", [1, 2, 5])
def test_pieces_come_in_the_order_of_the_tasks(hands: int) -> None:
    with ahead([partial(pieces, n) for n in range(4)], hands) as found:
        taken = [piece for line in found for piece in line]
    assert taken == [(n, m) for n in range(4) for m in range(3)]


@pytest.mark.parametrize("hands", [1, 2])
def test_an_error_is_raised_where_its_pieces_are_taken_and_the_others_go_on(hands: int) -> None:
    taken: list[tuple[int, int]] = []
    with ahead([partial(pieces, n, broken=n == 1) for n in range(3)], hands) as found:
        for number, line in enumerate(found):
            if number == 1:
                with pytest.raises(ValueError, match="1"):
                    taken += list(line)
            else:
                taken += list(line)
    assert [number for number, n in taken if n == 0] == [0, 2]


def test_what_nobody_takes_is_closed() -> None:
    closed.clear()
    with ahead([partial(pieces, n, 100) for n in range(2)], 2) as found:
        assert next(next(found)) == (0, 0)
    assert 0 in closed


def test_each_gives_what_every_task_returns() -> None:
    assert list(each([partial(pow, n, 2) for n in range(9)], 3)) == [n * n for n in range(9)]
