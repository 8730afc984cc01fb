"""A lock for each name, made when it is first asked for."""

from __future__ import annotations

import threading
from collections import defaultdict


class LockPerName:
    """`with locks("Aarhus"):` one thread at a time per name."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def __call__(self, name: str) -> threading.Lock:
        with self._guard:
            return self._locks[name]
