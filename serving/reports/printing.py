"""Printing: a page as PDF, through a browser of the Chromium family that is on the machine.

The browser is given one local file (whose policy forbids scripts), a profile that is thrown away, and no
network. What it writes is looked at before it is handed over.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from features.faults import DependencyDown

__all__ = ["BROWSERS", "browser", "pdf"]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
"""Names under which a browser is looked for on the path, in this order."""

SECONDS = 90.0
_OFF = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-domain-reliability",
    "--disable-breakpad",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--password-store=basic",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--no-pdf-header-footer",
)


def browser() -> Path:
    """Find the browser.

    Raises
    ------
    DependencyDown
        ``pdf.no_browser`` (exit code 69) where there is none.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise DependencyDown(
            "pdf.no_browser",
            "no Chromium or Chrome on the path, which a PDF is printed with",
            "install one (Debian: apt-get install chromium), or name the file .html and print it",
        )
    return Path(found)


def pdf(page: str, program: Path, seconds: float = SECONDS) -> bytes:
    """Print a page.

    Parameters
    ----------
    page : str
        Self-contained HTML.
    program : Path
        The browser, as `browser` finds it.
    seconds : float
        How long it may take; then it is stopped, and all that it started.

    Raises
    ------
    DependencyDown
        ``pdf.failed`` (exit code 69) if it fails, does not end, or writes no whole PDF.
    """
    with tempfile.TemporaryDirectory(prefix="perennial-pdf-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        source, target = folder / "page.html", folder / "page.pdf"
        source.write_text(page, encoding="utf-8")
        words = _words(program, folder, source, target)
        said = _run(words, folder, seconds)
        content = target.read_bytes() if target.is_file() else b""
    if not (content.startswith(b"%PDF-") and content.rstrip().endswith(b"%%EOF")):
        raise _failed(f"{program.name} wrote no PDF: {_last(said)}")
    return content


def _words(program: Path, folder: Path, source: Path, target: Path) -> list[str]:
    """Say what is run; root has no sandbox to run in, everybody else has."""
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    own = [f"--user-data-dir={folder / 'profile'}", f"--print-to-pdf={target}"]
    return [str(program), *_OFF, *root, *own, source.as_uri()]


def _run(words: list[str], folder: Path, seconds: float) -> str:
    """Run the browser in a group of its own, so that its children end with it."""
    plain = {
        name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL")
    }
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    try:
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=plain | home,
            start_new_session=True,
        )
    except OSError as refused:
        raise _failed(f"{words[0]}: {refused.strerror}") from refused
    try:
        return child.communicate(timeout=seconds)[1].decode("utf-8", "replace")
    except subprocess.TimeoutExpired as late:
        raise _failed(f"{Path(words[0]).name} was not done after {seconds:g} seconds") from late
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the group, whatever is left of it."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    if child.stderr is not None:
        child.stderr.close()


def _failed(found: str) -> DependencyDown:
    return DependencyDown("pdf.failed", found, "try again, or name the file .html and print it")


def _last(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"
