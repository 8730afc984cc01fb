"""Who changed what, by hand."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

logger = logging.getLogger(__name__)


class AuditLog:
    """One JSON line per change, in a file that only its owner reads, and a line in the log.

    `clock`: aware UTC. Safe for several threads. OSError where the file cannot be written: then
    nothing is to be changed.
    """

    def __init__(self, *, path: Path, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()

    def write(self, who: str, action: str, about: str, **values: object) -> None:
        """`who`: where the request came from; `action`: such as 'pause task'."""
        entry = {
            "time": self._clock().isoformat(timespec="milliseconds"),
            "who": who,
            "action": action,
            "about": about,
            **values,
        }
        line = json.dumps(entry, ensure_ascii=False, default=str) + "\n"
        with self._lock:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            descriptor = os.open(self._path, flags, 0o600)
            try:
                os.write(descriptor, line.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        told = "".join(f", {name} {value}" for name, value in values.items())
        logger.info("by hand, from %s: %s %s%s", who, action, about, told)
