"""Who changed what by hand, and the outcome."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from app.openadr import OutcomeUnknown

logger = logging.getLogger(__name__)


class AuditLog:
    """JSON lines in a file that only its owner reads, and lines in the log.

    A change has two: what was asked, before it is made, and the outcome; with the first alone,
    the process ended between them. `clock`: aware UTC.
    Safe for several threads.
    """

    def __init__(self, *, path: Path, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()

    @contextmanager
    def change(
        self, who: str, action: str, about: str, **values: object
    ) -> Iterator[dict[str, object]]:
        """The block makes the change, and says in the dictionary what it led to.

        `who`: where the request came from; `action`: such as 'pause task'. OSError where it cannot
        be written down: then the block does not run.
        """
        self.write(who, action, about, "asked", values)
        led_to: dict[str, object] = {}
        try:
            yield led_to
        except Exception as error:
            state = "unknown" if isinstance(error, OutcomeUnknown) else "failed"
            why = str(error) or type(error).__name__
            self._conclude(who, action, about, state, {**values, "why": why})
            raise
        self._conclude(who, action, about, "done", {**values, **led_to})

    def write(
        self, who: str, action: str, about: str, state: str, values: Mapping[str, object]
    ) -> None:
        """One line, in the log, too. OSError where it cannot be written."""
        self.note(who, action, about, state, values)
        # Our handlers escape what cannot be printed; others, which may see the line, would fail.
        text = "".join(f", {name} {value}" for name, value in values.items())
        said = f"{who}: {action} {about}: {state}{text}".encode(errors="backslashreplace")
        logger.info("by hand, from %s", said.decode())

    def note(
        self, who: str, action: str, about: str, state: str, values: Mapping[str, object]
    ) -> None:
        """One line of what the log has in other words. OSError where it cannot be written."""
        entry = {
            "time": self._clock().isoformat(timespec="milliseconds"),
            "who": who,
            "action": action,
            "about": about,
            "state": state,
            **values,
        }
        line = json.dumps(entry, ensure_ascii=False, default=str) + "\n"
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT
            descriptor = os.open(self._path, flags, 0o600)
            try:
                # Words that are no Unicode keep no change from being written down.
                _append(descriptor, line.encode(errors="backslashreplace"))
            finally:
                os.close(descriptor)

    def _conclude(self, *entry: Any) -> None:
        """The change is made, or has failed for its own reason, and that is what is told."""
        try:
            self.write(*entry)
        except OSError as error:
            logger.warning(
                "the outcome of a change cannot be written to %s: %s; it was: %s",
                self._path,
                error.strerror,
                entry,
            )


def _append(descriptor: int, line: bytes) -> None:
    """The whole line or nothing of it; one that a power cut tore is ended first."""
    length = os.fstat(descriptor).st_size
    if length and os.pread(descriptor, 1, length - 1) != b"\n":
        line = b"\n" + line
    if os.write(descriptor, line) < len(line):
        os.ftruncate(descriptor, length)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)
