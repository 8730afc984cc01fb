"""When a list of a VTN is at its end: its pages may be shorter than what was asked for (`limit`).

Read on is where a page is as long as the longest of its path, since the VTN may have cut it there;
where that brought nothing before, only now and then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

PAGE = 50
"""Entries that are asked for at once: the largest `limit` that the specification allows."""
READS_ON_EVERY = 10
"""Readings of a list that is as it was."""
MAX_LISTS = 1 << 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Page(Generic[T]):
    """A page of a list, read. While anybody has it, one of the same bytes is the same object."""

    ids: tuple[str, ...]
    """Of all its entries, in the VTN's order."""
    objects: Mapping[str, T]
    """Those that can be read, by id."""
    size_bytes: int = 0
    """Of what was answered."""


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

    def pages(
        self, path: str, of: Hashable, page: Callable[[int], Page[T]], *, most: int
    ) -> Iterator[Page[T]]:
        """The pages of a list, so many at most, until one brings nothing new.

        `of`: what tells the list apart from others of its path. `page`: asks for at most `PAGE`
        entries after so many.
        """
        known: set[str] = set()
        before: tuple[str, ...] = ()
        skip = 0
        for _ in range(most):
            found = page(skip)
            fresh = len(known)
            known.update(found.ids)
            fresh = len(known) - fresh
            if fresh:
                yield found
            if 0 < len(before) < PAGE:
                self._followed(path, of, before, fresh)
            if not fresh or self._is_last(path, of, found.ids):
                return
            before = found.ids
            skip += len(found.ids)

    def _is_last(self, path: str, of: Hashable, ids: tuple[str, ...]) -> bool:
        """Whether a page with these ids, which are not all known already, is the last one."""
        length = len(ids)
        with self._lock:
            longest = self._longest.get(path, 0)
            self._longest[path] = max(longest, length)
            if length >= PAGE or (path, length) in self._cut:
                return False
            if length < longest:
                return True
            key, page = hash((path, of)), hash(ids)
            ended, times = self._ended.get(key, (0, 0))
            if not times or ended != page or times >= READS_ON_EVERY:
                return False
            self._ended[key] = page, times + 1
            return True

    def _followed(self, path: str, of: Hashable, ids: tuple[str, ...], more: int) -> None:
        """After a page with these ids, shorter than asked for, came one of so many entries."""
        with self._lock:
            if more:
                self._cut.add((path, len(ids)))
                return
            if len(self._ended) >= MAX_LISTS:
                self._ended.clear()
            self._ended[hash((path, of))] = hash(ids), 1
