"""Bundles as chance and malice leave them: each mutation changes a sound bundle in its own way.

Two hands are at work. The one only damages: bits, cuts, swaps, files that do not belong. The other
knows the format: it edits trees and contract, and writes every size and sha256 again so that they
fit. Run as a program it opens many and prints what became of them, so that a crash or a hang is
that of a child process: ``python -m tests.mutated_bundles BUNDLE DIGEST COUNT SEED``.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from features.faults import DataRejected
from models.bundle import open_bundle

__all__ = ["FORGERIES", "DAMAGES", "mutants", "tried"]

Change = Callable[[Path, random.Random], None]
CONTRACT = "contract.json"
WORDS = [b"-1", b"0", b"7", b"99999999999", b"nan", b"inf", b"1e999", b"-0", b"", b" ", b"\n", b"="]
VALUES: list[Any] = [None, True, -1, 0, 3, 0.5, 1e308, -1e308, 10**400, "", "x", [], {}, [[]]]
NUMBER = re.compile(rb"(?<=[=\s])-?\d+(?:\.\d+)?(?:e[+-]?\d+)?(?=[\s\n])")


def some_file(folder: Path, draw: random.Random) -> Path:
    return draw.choice(sorted(path for path in folder.iterdir() if path.is_file()))


def rewritten(folder: Path, draw: random.Random, change: Callable[[bytes], bytes]) -> None:
    path = some_file(folder, draw)
    path.write_bytes(change(path.read_bytes()))


def flip(folder: Path, draw: random.Random) -> None:
    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(draw.choice([1, 1, 1, 8])):
            changed[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
        return bytes(changed)

    rewritten(folder, draw, change)


def cut(folder: Path, draw: random.Random) -> None:
    rewritten(folder, draw, lambda data: data[: draw.randrange(len(data))])


def swap(folder: Path, draw: random.Random) -> None:
    def change(data: bytes) -> bytes:
        changed = bytearray(data)
        one, two = draw.randrange(len(data)), draw.randrange(len(data))
        changed[one], changed[two] = changed[two], changed[one]
        return bytes(changed)

    rewritten(folder, draw, change)


def doubled(folder: Path, draw: random.Random) -> None:
    rewritten(folder, draw, lambda data: data + data[-draw.randrange(1, 99) :])


def zeroed(folder: Path, draw: random.Random) -> None:
    def change(data: bytes) -> bytes:
        at = draw.randrange(len(data))
        return data[:at] + b"\x00" * min(64, len(data) - at) + data[at + 64 :]

    rewritten(folder, draw, change)


def stranger(folder: Path, draw: random.Random) -> None:
    name = draw.choice(["model.pkl", "MLmodel", "code.py", "x.LGB", "z.lgb", "conda.yaml", ".hid"])
    (folder / name).write_bytes(b"\x80\x04cos\nsystem\n.")


def linked(folder: Path, draw: random.Random) -> None:
    path = some_file(folder, draw)
    outside = folder.parent / "outside"
    outside.unlink(missing_ok=True)
    path.rename(outside)  # the very bytes, behind a link
    path.symlink_to(draw.choice([outside, Path("../outside")]))


def device(folder: Path, draw: random.Random) -> None:
    path = some_file(folder, draw)
    path.unlink()
    kind = draw.randrange(4)
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.mkdir()
    elif kind == 2:
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as sparse:
            sparse.truncate(10**12)


def lost(folder: Path, draw: random.Random) -> None:
    some_file(folder, draw).unlink()


def exchanged(folder: Path, draw: random.Random) -> None:
    one, two = some_file(folder, draw), folder / CONTRACT
    if one == two:
        one = folder / "other.lgb"
        shutil.copyfile(two, one)
    held = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(held)


def some_text(folder: Path, draw: random.Random) -> Path:
    return draw.choice(sorted(folder.glob("*.lgb")))


def word(folder: Path, draw: random.Random) -> None:
    """Put one number of a tree, or any place of its text, for another, and every sum right."""
    path = some_text(folder, draw)
    data = path.read_bytes()
    if draw.random() < 0.7:
        found = draw.choice([(one.start(), one.end()) for one in NUMBER.finditer(data)])
    else:
        at = draw.randrange(len(data))
        found = (at, at + draw.choice([0, 1, 1, 9]))
    path.write_bytes(data[: found[0]] + draw.choice(WORDS) + data[found[1] :])
    sealed_again(folder)


def children(folder: Path, draw: random.Random) -> None:
    """Shuffle, repeat or move the children of a tree: circles, orphans, nodes out of bounds."""
    path = some_text(folder, draw)
    text = path.read_text("ascii")
    lines = text.splitlines(keepends=True)
    at = draw.choice([n for n, one in enumerate(lines) if re.match(r"(left|right)_child=", one)])
    key, _, told = lines[at].rstrip("\n").partition("=")
    nodes = told.split(" ")
    kind = draw.randrange(3)
    if kind == 0 and len(set(nodes)) > 1:
        nodes = nodes[1:] + nodes[:1]
    else:
        nodes[draw.randrange(len(nodes))] = draw.choice(["0", "1", "-1", "-99", "2147483647"])
    lines[at] = f"{key}={' '.join(nodes)}\n"
    path.write_text("".join(lines), "ascii")
    sealed_again(folder)


def told(folder: Path, draw: random.Random) -> None:
    """Change, take out or nest something anywhere in the contract."""
    contract = json.loads((folder / CONTRACT).read_bytes())
    holder, key = draw.choice(list(places(contract)))
    kind = draw.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1:
        deep: Any = 0.5
        for _ in range(draw.choice([50, 900])):
            deep = [deep]
        holder[key] = deep
    else:
        holder[key] = draw.choice(VALUES)
    sealed_again(folder, contract)


def unreadable(folder: Path, draw: random.Random) -> None:
    """Write what JSON is not, or another way of writing the same."""
    path = folder / CONTRACT
    data = path.read_bytes()
    turned = [
        data.replace(b":", b": ", 1),
        data.replace(b"0.", b"NaN,0.", 1),
        re.sub(rb":-?\d+\.\d+", b":Infinity", data, count=1),
        re.sub(rb":\d+", b":" + b"9" * 5000, data, count=1),
        b"[" * 200_000 + data,
        data[:-2] + b',"zz":' + b"[" * 99_999 + b"]" * 99_999 + b"}\n",
        b"\xef\xbb\xbf" + data,
        data.decode().encode("utf-16"),
        data[:-2] + b',"files":{}}\n',
    ]
    path.write_bytes(draw.choice(turned))


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a JSON value: what holds it, and its key there."""
    pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
    for key, inner in pairs:
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def sealed_again(folder: Path, contract: Any = None) -> None:
    """Write sizes, sha256, contract and seal as a forger would."""
    for path in folder.glob("*.lgb"):
        path.write_bytes(sized(path.read_bytes()))
    if contract is None:
        contract = json.loads((folder / CONTRACT).read_bytes())
    if isinstance(contract, dict) and isinstance(contract.get("files"), dict):
        for name in contract["files"]:
            path = folder / str(name)
            if "/" not in str(name) and path.is_file():
                contract["files"][name] = hashlib.sha256(path.read_bytes()).hexdigest()
    if isinstance(contract, dict):
        contract.pop("seal", None)
        contract["seal"] = hashlib.sha256(plainly(contract)).hexdigest()
    (folder / CONTRACT).write_bytes(plainly(contract))


def plainly(contract: Any) -> bytes:
    return json.dumps(contract, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def sized(data: bytes) -> bytes:
    _, *trees = data.partition(b"end of trees")[0].split(b"Tree=")
    sizes = b" ".join(b"%d" % (len(tree) + 5) for tree in trees)
    return re.sub(rb"tree_sizes=[^\n]*", b"tree_sizes=" + sizes, data, count=1)


DAMAGES: tuple[Change, ...] = (
    flip, cut, swap, doubled, zeroed, stranger, linked, device, lost, exchanged,
)  # fmt: skip
FORGERIES: tuple[Change, ...] = (word, word, word, children, told, told, told, unreadable)


def mutants(sound: Path, count: int, seed: int, place: Path) -> Iterator[tuple[str, Path]]:
    """Give mutated copies one after the other, in the same place; copies that came out equal
    are left out."""
    draw = random.Random(seed)
    made = 0
    folder = place / "bundle"
    while made < count:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(sound, folder)
        change = draw.choice(DAMAGES if draw.random() < 0.4 else FORGERIES)
        change(folder, draw)
        if not equal(sound, folder):
            made += 1
            yield change.__name__, folder


def equal(one: Path, two: Path) -> bool:
    return {path.name for path in one.iterdir()} == {path.name for path in two.iterdir()} and all(
        (two / path.name).is_file()
        and not (two / path.name).is_symlink()
        and (two / path.name).stat().st_size == path.stat().st_size
        and (two / path.name).read_bytes() == path.read_bytes()
        for path in one.iterdir()
    )


def tried(
    sound: Path, digest: str, count: int, seed: int, place: Path, read: Callable[[Any], Any]
) -> dict[str, Any]:
    """Open mutants with the digest that was registered, and without one; time the slowest."""
    accepted: list[str] = []
    codes: Counter[str] = Counter()
    forged: Counter[str] = Counter()
    slowest = 0.0
    for name, folder in mutants(sound, count, seed, place):
        begun = time.perf_counter()
        try:
            open_bundle(folder, digest)
            accepted.append(name)
        except DataRejected as refused:
            codes[refused.code] += 1
        try:
            read(open_bundle(folder))
            forged[f"{name}: opens"] += 1
        except DataRejected as refused:
            forged[f"{name}: {refused.code}"] += 1
        slowest = max(slowest, time.perf_counter() - begun)
    found = {"tried": count, "accepted": accepted, "codes": codes, "without_digest": forged}
    return {**found, "slowest_seconds": slowest}


def main() -> None:
    from models.carried import read_bundle  # heavy: scikit-learn

    sound, digest, count, seed = sys.argv[1:]
    with tempfile.TemporaryDirectory() as place:
        told = tried(Path(sound), digest, int(count), int(seed), Path(place), read_bundle)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
