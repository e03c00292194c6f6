"""Make a release, with ``PYTHONPATH=.ci``: ``python -m release [--draft] [--unaudited]``.

It ends at the first thing that is amiss. Everything is written to ``dist/``. ``--draft`` builds a commit that is not ready (its changelog has no
date, or files are not committed: those are not in it). ``--unaudited`` goes on where the advisories
cannot be reached, and says so.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import tomllib
from pathlib import Path

from release import building, locks, trial
from release.audit import audit
from release.billing import bill
from release.changelog import unready
from release.notices import installed, notices, vendored
from release.provenance import provenance, sums

ROOT = Path(__file__).resolve().parents[2]
DIST = ROOT / "dist"


def main(asked: list[str]) -> int:
    """Tell the story, and give the exit code."""
    amiss = _amiss()
    if amiss and "--draft" not in asked:
        return _refused(amiss)
    made = building.commit()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = _built(work, made)
        if files is None:
            return _refused(["two builds of one commit differ"])
        python = trial.install(next(DIST.glob("*.whl")), work / "venv")
        if code := trial.demo(python, work / "away" / "from here"):
            return _refused([f"the installed demo ended with {code}"])
        _say("installed from its lock, the demo ran whole")
        _described(python, made)
    found = audit()
    _say(found.told)
    _signed_off(made, files)
    return found.exit_code if "--unaudited" not in asked or found.state == "vulnerable" else 0


def _amiss() -> list[str]:
    """Say why this checkout cannot be released."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    revisions = (ROOT / "serving" / "migrations" / "versions").glob("r[0-9]*.py")
    tables = max(path.stem.partition("_")[0] for path in revisions)
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    told = unready(text, project["version"], tables)
    return told + [f"not committed: {line}" for line in building.uncommitted()]


def _built(work: Path, made: building.Commit) -> dict[str, str] | None:
    """Build twice, in two places; nothing where they differ."""
    shutil.rmtree(DIST, ignore_errors=True)
    first = building.build(building.extract(work / "one"), DIST, made.seconds)
    again = building.build(building.extract(work / "two"), work / "again", made.seconds)
    for name, sha in first.items():
        _say(f"{sha}  {name}")
    return first if first == again else None


def _described(python: Path, made: building.Commit) -> None:
    """Write the bill of materials and the notices, and put the lock beside them."""
    scripts = vendored()
    (DIST / "bill.cdx.json").write_text(bill(python, scripts, made.seconds), encoding="utf-8")
    told = notices(installed(trial.libraries(python)), scripts)
    (DIST / "NOTICES.txt").write_text(told, encoding="utf-8")
    shutil.copyfile(trial.LOCK, DIST / "runtime.txt")


def _signed_off(made: building.Commit, files: dict[str, str]) -> None:
    """Write where the files come from, and the sums of all."""
    used = {
        f".ci/release/locks/{name}.txt": hashlib.sha256(
            (ROOT / ".ci" / "release" / "locks" / f"{name}.txt").read_bytes()
        ).hexdigest()
        for name in locks.LOCKS
    }
    (DIST / "provenance.json").write_text(provenance(made, files, used), encoding="utf-8")
    (DIST / "SHA256SUMS").write_text(sums(building.digests(DIST)), encoding="utf-8")
    _say(f"{DIST.name}/ holds {len(list(DIST.iterdir()))} files")


def _refused(amiss: list[str]) -> int:
    for line in amiss:
        print(f"release: {line}", file=sys.stderr)
    return 1


def _say(line: str) -> None:
    print(f"release: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
