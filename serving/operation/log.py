"""The log: one line of what was done, on standard error, without anybody's data."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TextIO

import orjson
import structlog

from serving.operation.settings import ServeSettings

__all__ = ["Bridge", "Log", "log_of", "told_by"]

Log = Any
"""A logger of structlog: ``log.info("request", status=200)``."""

_LEVELS = logging.getLevelNamesMapping()
_LONGEST = 200


def log_of(settings: ServeSettings, now: Callable[[], datetime], out: TextIO | None = None) -> Log:
    """Give the log that the settings ask for.

    Parameters
    ----------
    settings : ServeSettings
        Form and level.
    now : callable
        Tells the time.
    out : file, optional
        Standard error unless another is given.

    Examples
    --------
    >>> from datetime import UTC
    >>> import io
    >>> out = io.StringIO()
    >>> log = log_of(ServeSettings(), lambda: datetime(2025, 7, 1, tzinfo=UTC), out)
    >>> log.info("request", route="/v1/matrix", status=200)
    >>> log.debug("not told")
    >>> print(out.getvalue(), end="")
    {"at":"2025-07-01T00:00:00+00:00","level":"info","event":"request","route":"/v1/matrix","status":200}
    """

    def stamped(_: Any, level: str, told: MutableMapping[str, Any]) -> dict[str, Any]:
        first = {"at": now().isoformat(), "level": level, "event": told.pop("event", "")}
        return first | dict(told)

    written = _json if settings.log == "json" else _text
    kind = structlog.make_filtering_bound_logger(_LEVELS[settings.log_level.upper()])
    return structlog.wrap_logger(
        structlog.WriteLogger(out or sys.stderr),
        processors=[stamped, written],
        wrapper_class=kind,
        cache_logger_on_first_use=True,
    ).bind()


def _json(_: Any, _level: str, told: MutableMapping[str, Any]) -> str:
    return orjson.dumps(told, default=str).decode()


def _text(_: Any, _level: str, told: MutableMapping[str, Any]) -> str:
    words = [f"{name}={value}" for name, value in list(told.items())[3:] if value is not None]
    return " ".join([str(told["at"])[:19], str(told["level"]), str(told["event"]), *words])


class Bridge(logging.Handler):
    """Passes on what libraries log: their fixed words, never what they put into them.

    Examples
    --------
    >>> import io
    >>> from datetime import UTC
    >>> out = io.StringIO()
    >>> log = log_of(ServeSettings(log="text"), lambda: datetime(2025, 7, 1, tzinfo=UTC), out)
    >>> Bridge(log).emit(logging.makeLogRecord({"msg": "gone: %s", "args": "Ada", "name": "x"}))
    >>> out.getvalue()
    '2025-07-01T00:00:00 warning library source=x words=gone: %s\\n'
    """

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record."""
        kind = record.exc_info[0] if record.exc_info else None
        words = str(record.msg).partition("\n")[0][:_LONGEST]
        error = {} if kind is None else {"error": kind.__name__}
        self._log.warning("library", source=record.name, words=words, **error)


@contextmanager
def told_by(log: Log) -> Iterator[None]:
    """Let what libraries log inside the block be told by our own log.

    Examples
    --------
    >>> with told_by(None):
    ...     [type(one).__name__ for one in logging.getLogger("uvicorn").handlers]
    ['Bridge']
    """
    bridge = Bridge(log)
    names = ("uvicorn", "asyncio", "py.warnings")
    for name in names:
        logging.getLogger(name).addHandler(bridge)
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name in names:
            logging.getLogger(name).removeHandler(bridge)
