"""The text of a LightGBM model: read line by line in plain Python, before LightGBM sees it.

LightGBM trusts its own text: a child that points outside its tree, a circle or a size that is off
by one makes the process crash, hang, or lose trees in silence. Only what Perennial's training
writes is accepted: one class, numeric splits, constant leaves.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from features.faults import DataRejected

__all__ = ["Forest", "read_forest"]

MOST_CHARACTERS = 64_000_000
MOST_TREES = 10_000
MOST_LEAVES = 4_096

_HEADER = re.compile(
    r"tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
    r"max_feature_idx=(?P<last>\d{1,5})\nobjective=(?P<objective>[a-z_]+(?: [a-z_]+:[0-9.]+)*)\n"
    r"feature_names=(?P<names>[^\n]+)\n(?:monotone_constraints=(?P<signs>[-01 ]+)\n)?"
    r"feature_infos=(?P<infos>[^\n]+)\ntree_sizes=(?P<sizes>\d{1,8}(?: \d{1,8})*)\n\n"
)
_TAIL = re.compile(
    r"end of trees\n\nfeature_importances:\n(?:[^=\n]+=\d+\n)*\n"
    r"parameters:\n(?:\[[a-z0-9_]+: [^\n]*\]\n)*\nend of parameters\n"
    r"(?:\npandas_categorical:(?:null|\[\])\n)?"
)
_INFO = re.compile(r"none|\[(?:-?inf|-?[\d.]+(?:e[+-]?\d+)?):(?:-?inf|-?[\d.]+(?:e[+-]?\d+)?)\]")
_WHOLE = re.compile(r"-?\d{1,12}")
_NUMBER = re.compile(r"-?\d{1,25}(?:\.\d{1,25})?(?:e[+-]?\d{1,3})?")
_SPLITS = ("split_feature", "split_gain", "threshold", "decision_type", "left_child", "right_child")
_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_INNER = ("internal_value", "internal_weight", "internal_count")
_KEYS = ("Tree", "num_leaves", "num_cat", *_SPLITS, *_LEAVES, *_INNER, "is_linear", "shrinkage")
_WHOLES = {"split_feature", "decision_type", "left_child", "right_child"} | {
    "leaf_count",
    "internal_count",
}
# A numeric split: bit 1 says where a missing value goes, bits 2 and 3 what counts as missing.
_DECISIONS = {0, 2, 4, 6, 8, 10}


@dataclass(frozen=True)
class Forest:
    """What a checked text says about itself.

    Attributes
    ----------
    objective : str
        LightGBM's objective, e.g. ``"binary sigmoid:1"``.
    features : tuple of str
        Names of the columns, in the order in which the model expects them.
    trees : int
        How many trees are really there.
    """

    objective: str
    features: tuple[str, ...]
    trees: int


def read_forest(text: str, where: str = "model") -> Forest:
    """Check the text of a model, whole, and say what it holds.

    Parameters
    ----------
    text : str
        What ``Booster.model_to_string()`` gave.
    where : str
        How the model is called in messages.

    Raises
    ------
    DataRejected
        ``model.structure`` (exit code 65) at the first thing that is not as training writes it.

    Examples
    --------
    >>> read_forest("tree\\nversion=v3\\n", "churn.lgb")
    Traceback (most recent call last):
    ...
    features.faults.DataRejected: churn.lgb: the header is not a LightGBM v4 header of one \
numeric target: model.structure: train again, or roll back to an earlier version
    """
    if len(text) > MOST_CHARACTERS or not text.isascii():
        raise _refused(where, "the text is not ASCII or too long")
    header = _HEADER.match(text)
    if header is None:
        raise _refused(where, "the header is not a LightGBM v4 header of one numeric target")
    features = _features(header, where)
    sizes = [int(size) for size in header["sizes"].split(" ")]
    end = _check_trees(text, header.end(), sizes, len(features), where)
    if _TAIL.fullmatch(text, end) is None:
        raise _refused(where, f"what follows the {len(sizes)} trees is not their end")
    return Forest(header["objective"], features, len(sizes))


def _features(header: re.Match[str], where: str) -> tuple[str, ...]:
    names = tuple(header["names"].split(" "))
    infos = header["infos"].split(" ")
    signs = (header["signs"] or "").split()
    counts = {int(header["last"]) + 1, len(names), len(set(names)), len(infos)}
    if len(counts) != 1 or (signs and len(signs) != len(names)):
        raise _refused(where, "the header's names, ranges and number of features differ")
    if not all(names) or not all(map(_INFO.fullmatch, infos)) or not {*signs} <= {"-1", "0", "1"}:
        raise _refused(where, "the header's names, ranges or constraints cannot be read")
    return names


def _check_trees(text: str, start: int, sizes: list[int], width: int, where: str) -> int:
    if len(sizes) > MOST_TREES:
        raise _refused(where, f"{len(sizes)} trees are more than {MOST_TREES}")
    for number, size in enumerate(sizes):
        _check_tree(text[start : start + size], number, width, f"{where}: tree {number}")
        start += size
    return start


def _check_tree(block: str, number: int, width: int, where: str) -> None:
    lines = block.removesuffix("\n\n\n").split("\n")
    pairs = [line.partition("=") for line in lines]
    if tuple(key for key, _, _ in pairs) != _KEYS or not block.endswith("\n\n\n"):
        raise _refused(where, "its lines are not those of a tree, or its size is wrong")
    fields = {key: value for key, _, value in pairs}
    if (fields["Tree"], fields["num_cat"], fields["is_linear"]) != (str(number), "0", "0"):
        raise _refused(where, "it is out of order, categorical or linear")
    leaves = _leaves(fields["num_leaves"], where)
    columns = _columns(fields, leaves, where)
    if leaves > 1:
        _check_splits(columns, width, where)
        _check_shape(columns["left_child"], columns["right_child"], leaves, where)


def _leaves(found: str, where: str) -> int:
    if not _WHOLE.fullmatch(found) or not 1 <= int(found) <= MOST_LEAVES:
        raise _refused(where, f"num_leaves is not between 1 and {MOST_LEAVES}")
    return int(found)


def _columns(fields: dict[str, str], leaves: int, where: str) -> dict[str, list[float]]:
    lengths = dict.fromkeys((*_SPLITS, *_INNER), leaves - 1) | dict.fromkeys(_LEAVES, leaves)
    if leaves == 1:
        lengths["leaf_weight"] = 0
    lengths["shrinkage"] = 1
    return {key: _numbers(key, fields[key], length, where) for key, length in lengths.items()}


def _numbers(key: str, line: str, length: int, where: str) -> list[float]:
    words = line.split(" ") if line else []
    shape = _WHOLE if key in _WHOLES else _NUMBER
    # A split of missing against present has the threshold "inf": LightGBM writes it so.
    values = [word for word in words if key != "threshold" or word != "inf"]
    if len(words) != length or not all(map(shape.fullmatch, values)):
        raise _refused(where, f"{key} is not {length} finite numbers")
    numbers = [float(word) for word in values]
    if not all(map(math.isfinite, numbers)):
        raise _refused(where, f"{key} is not {length} finite numbers")
    return numbers


def _check_splits(columns: dict[str, list[float]], width: int, where: str) -> None:
    if not all(0 <= feature < width for feature in columns["split_feature"]):
        raise _refused(where, f"it splits on a feature outside 0 to {width - 1}")
    if not _DECISIONS.issuperset(columns["decision_type"]):
        raise _refused(where, "a decision is not numeric")
    if min(columns["leaf_count"]) < 1 or min(columns["internal_count"]) < 1:
        raise _refused(where, "a node without rows")


def _check_shape(left: list[float], right: list[float], leaves: int, where: str) -> None:
    # Inner nodes are 0 (the root) to leaves - 2, leaf k is written as -(k + 1). In a tree every
    # node but the root is the child of exactly one node; LightGBM numbers a parent before its
    # children, and that rules out circles.
    children = sorted([*left, *right])
    if children != [*range(-leaves, 0), *range(1, leaves - 1)]:
        raise _refused(where, "a child is missing, repeated or out of bounds")
    for node, pair in enumerate(zip(left, right, strict=True)):
        if any(0 <= child <= node for child in pair):
            raise _refused(where, "a circle")


def _refused(where: str, found: str) -> DataRejected:
    cure = "train again, or roll back to an earlier version"
    return DataRejected("model.structure", f"{where}: {found}", cure)
