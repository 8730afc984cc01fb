"""Logging to stderr: text for people, JSON lines for machines."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import TextIO

from app.observability.log_context import current_log_context

QUIET = {
    "apscheduler": logging.CRITICAL,
    "urllib3": logging.ERROR,
    "uvicorn": logging.ERROR,
    "nicegui": logging.ERROR,  # what a stranger asks for does not fill the log
}
"""Libraries that repeat what the application says in its own words."""


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever sys.stderr is now: a progress bar puts itself in its place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        """Not kept."""


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%Y-%m-%d %H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = _one_line(record.message)
        return super().formatMessage(record)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "thread": record.threadName,
            "message": _one_line(record.getMessage()),
            **current_log_context(),
        }
        if record.stack_info:
            line["stack"] = record.stack_info
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def configure_logging(*, level: str, format_: str) -> None:
    """Log the application from this level on, libraries from WARNING, as 'text' or 'json'."""
    handler = _StderrHandler()
    handler.setFormatter(_JsonFormatter() if format_ == "json" else _TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old, _StderrHandler):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    # Warnings of libraries, which would go to stderr as they are. False first: it may be that
    # somebody else took them since.
    logging.captureWarnings(False)
    logging.captureWarnings(True)
    logging.getLogger("app").setLevel(level)
    for name, quiet in QUIET.items():
        logging.getLogger(name).setLevel(quiet)


def is_configured() -> bool:
    """Whether `configure_logging` was called."""
    return _formatter() is not None


def writes_json() -> bool:
    """Whether the log is one of JSON lines."""
    return isinstance(_formatter(), _JsonFormatter)


def log_uncaught() -> None:
    """What nobody catches, on whatever thread, goes to the log as all else does."""

    def uncaught(
        kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("app").critical("a defect", exc_info=(kind, error, trace))  # type: ignore[arg-type]

    def on_thread(given: threading.ExceptHookArgs) -> None:
        if given.exc_type is not SystemExit:
            uncaught(given.exc_type, given.exc_value, given.exc_traceback)

    sys.excepthook = uncaught
    threading.excepthook = on_thread
    sys.unraisablehook = lambda given: uncaught(
        given.exc_type, given.exc_value, given.exc_traceback
    )


def _formatter() -> logging.Formatter | None:
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _StderrHandler):
            return handler.formatter
    return None


def _one_line(message: str) -> str:
    """Control characters, which a VTN's words may hold, as escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in message.rstrip()
    )
