"""Made-up names of companies and people."""

from __future__ import annotations

import numpy as np

__all__ = ["company_names", "person_name"]

HEADS = """
Alder Amber Ash Birch Briar Bramble Cedar Cinder Clover Copper Coral Crown Dapple Dove Drift
Ember Fable Fern Flint Frost Glim Gorse Hazel Heath Hollow Ivory Juniper Kestrel Lark Linden
Maple Marrow Mist Moss Nettle North Oat Otter Pebble Pine Quill Raven Reed Rowan Rush Saffron
Sage Silver Slate Sorrel Sparrow Thistle Timber Umber Velvet Wander Willow Winter Wren Yarrow
"""
TAILS = """
brook dale fall field ford gate grove haven hollow loom march mere moor point ridge shore stead
stone vale wick
"""
TRADES = """
Analytics Atelier Cooperative Foods Foundry Freight Health Holdings Instruments Labs Media
Mutual Outfitters Press Robotics Software Studios Supply Systems Works
"""
PEOPLE = """
Ada Bea Cleo Dov Edda Fay Gus Hana Ivo Juno Kaz Lior Mina Nils Oda Pia Quin Rafe Suki Tove Uma
Vito Wanda Xeni Yara Zed
"""


def company_names(n: int, rng: np.random.Generator) -> list[str]:
    """Make up company names, all different: a number is added once the words run out.

    Examples
    --------
    >>> names = company_names(2500, np.random.default_rng(0))
    >>> len(set(names))
    2500
    """
    words = [head + tail for head in HEADS.split() for tail in TAILS.split()]
    trades = TRADES.split()
    rounds = n // len(words) + 1
    picks = np.concatenate([rng.permutation(len(words)) for _ in range(rounds)])[:n]
    kinds = rng.integers(0, len(trades), size=n)
    numbers = [f" {i // len(words) + 1}" if i >= len(words) else "" for i in range(n)]
    return [f"{words[picks[i]]} {trades[kinds[i]]}{numbers[i]}" for i in range(n)]


def person_name(number: int) -> str:
    """Make up the name of a person.

    Examples
    --------
    >>> person_name(0)
    'Ada Alder'
    """
    first, last = PEOPLE.split(), HEADS.split()
    turn, place = divmod(number, len(first))
    return f"{first[place]} {last[(7 * number + turn) % len(last)]}"
