"""Names what is refused of sources that get no answer with reasons: each kind once."""

from __future__ import annotations

import logging
import re
import threading
from collections import Counter

from app.intake.measurement import Refusals
from app.intake.sources import Source
from app.platform import LogOnce

logger = logging.getLogger(__name__)
QUOTED = re.compile(r"'[^']*'|(?<=negative: ).*")
"""What is another one for each value, and does not tell reasons apart."""
MAX_LINES = 100
"""Of a source; what else is refused is only counted."""


class RefusalLog:
    """Safe for several threads."""

    def __init__(self, log_once: LogOnce) -> None:
        self._log_once = log_once
        self._lock = threading.Lock()
        self._lines: Counter[str] = Counter()

    def say(self, refusals: Refusals, source: Source) -> None:
        """The first of each kind, with where it was met."""
        for each in refusals.first:
            with self._lock:
                if self._lines[source.name] >= MAX_LINES:
                    return
                kind = QUOTED.sub("…", each.reason)
                if not self._log_once.is_new(f"{source.name}: {kind}"):
                    continue
                self._lines[source.name] += 1
            logger.warning("source %s: %s", source.name, each)
