"""When a list of a VTN is at its end: its pages may be shorter than what was asked for (`limit`).

Read on is where a page is as long as the longest of its path, since the VTN may have cut it there;
where that brought nothing before, only now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

PAGE = 50
"""Entries that are asked for at once: the largest `limit` that the specification allows."""
MAX_PAGES = 2_500
READS_ON_EVERY = 10
"""Readings of a list that is as it was."""
MAX_LISTS = 1 << 20


class PageMemory:
    """What is known of the pages of one VTN. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._longest: dict[str, int] = {}
        """By path: the longest page so far."""
        self._cut: set[tuple[str, int]] = set()
        """Paths, and lengths of pages below what was asked for that more came after."""
        self._ended: dict[int, tuple[int, int]] = {}
        """By list, hashed: the ids of its last page, hashed, and how often that was its end."""

    def entries(
        self, path: str, of: Hashable, page: Callable[[int], Sequence[Any]]
    ) -> Iterator[Any]:
        """All entries of a list; one that moved to a later page meanwhile comes once.

        `of`: what tells the list apart from others of its path. `page`: asks for at most `PAGE`
        entries after so many.
        """
        known: set[str] = set()
        before: list[str] = []
        skip = 0
        for _ in range(MAX_PAGES):
            found = page(skip)
            ids = [key(entry) for entry in found]
            fresh = [entry for entry in found if adds(known, entry)]
            yield from fresh
            if 0 < len(before) < PAGE:
                self._followed(path, of, before, len(fresh))
            if not fresh or self._is_last(path, of, ids):
                return
            before = ids
            skip += len(found)

    def _is_last(self, path: str, of: Hashable, ids: Sequence[str]) -> bool:
        """Whether a page with these ids, which are not all known already, is the last one."""
        length = len(ids)
        with self._lock:
            longest = self._longest.get(path, 0)
            self._longest[path] = max(longest, length)
            if length >= PAGE or (path, length) in self._cut:
                return False
            if length < longest:
                return True
            key, page = hash((path, of)), hash(tuple(ids))
            ended, times = self._ended.get(key, (0, 0))
            if not times or ended != page or times >= READS_ON_EVERY:
                return False
            self._ended[key] = page, times + 1
            return True

    def _followed(self, path: str, of: Hashable, ids: Sequence[str], more: int) -> None:
        """After a page with these ids, shorter than asked for, came one of so many entries."""
        with self._lock:
            if more:
                self._cut.add((path, len(ids)))
                return
            if len(self._ended) >= MAX_LISTS:
                self._ended.clear()
            self._ended[hash((path, of))] = hash(tuple(ids)), 1


def key(entry: Any) -> str:
    """What tells an entry of a list apart from the others."""
    return str(entry.get("id")) if isinstance(entry, Mapping) else repr(entry)


def adds(known: set[str], entry: Any) -> bool:
    """Whether it is not known yet; it is then."""
    before = len(known)
    known.add(key(entry))
    return len(known) > before
