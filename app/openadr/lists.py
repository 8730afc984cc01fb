"""The lists of one VTN, page by page; what is read again and equal is not built again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from app.openadr.answer import Answer
from app.openadr.errors import VtnUnavailable
from app.openadr.fields import Wire
from app.openadr.http import VenAuth, VtnHttp
from app.openadr.pages import EMPTY, PAGE, Page, PageMemory
from app.openadr.wire import read_each

T = TypeVar("T")

MAX_PAGES = 2_500
MAX_LISTED_BYTES = 256 << 20


@dataclass(frozen=True)
class _NoList:
    """What was answered instead."""


_NO_LIST = _NoList()


class VtnLists:
    """Reads them to their ends. Safe for several threads. Raises the errors of `VtnHttp`."""

    def __init__(self, http: VtnHttp) -> None:
        self._http = http
        self._memory = PageMemory()
        self._lock = threading.Lock()
        self._read: WeakValueDictionary[tuple[object, bytes], Page[Any]] = WeakValueDictionary()
        """By what read them, and the digests of their bytes."""

    def pages(
        self,
        path: str,
        params: Mapping[str, Any],
        *,
        auth: VenAuth,
        read: Callable[[Wire], T],
        refused: Callable[[str], None],
        most: int = MAX_PAGES,
        only_heads: bool = False,
    ) -> Sequence[Page[T]]:
        """The pages of a list, so many at most. `refused` is told of what cannot be read;
        `only_heads`: `read` looks at `Answer.heads` only.

        VtnUnavailable: there is no list, or it is too large, or the application stops.
        """
        listed_bytes = 0

        def page(skip: int) -> Page[T]:
            nonlocal listed_bytes
            if skip and self._http.is_stopping:
                raise VtnUnavailable(f"GET {path}: ended, since the application stops")
            found = self.page(
                path,
                {**params, "skip": skip, "limit": PAGE},
                auth=auth,
                read=read,
                refused=refused,
                only_heads=only_heads,
            )
            listed_bytes += found.size_bytes
            if listed_bytes > MAX_LISTED_BYTES:
                raise VtnUnavailable(f"GET {path}: the list is larger than 256 MiB", status=200)
            return found

        of = (auth, *map(str, params.items()))
        return tuple(self._memory.pages(path, of, page, most=most))

    def page(
        self,
        path: str,
        params: Mapping[str, Any],
        *,
        auth: VenAuth,
        read: Callable[[Wire], T],
        refused: Callable[[str], None],
        only_heads: bool = False,
    ) -> Page[T]:
        """One page."""

        def look(answer: Answer) -> Page[T] | _NoList:
            key = read, hashlib.sha256(answer.content).digest()
            with self._lock:
                before: Page[T] | None = self._read.get(key)
            if before is not None:
                return before
            entries = answer.heads() if only_heads else answer.json()
            if not isinstance(entries, list):
                return _NO_LIST
            made = Page(
                ids=tuple(map(key_of, entries)),
                objects=_read_each_once(entries, read, refused),
                size_bytes=len(answer.content),
            )
            with self._lock:
                return self._read.setdefault(key, made)

        found = self._http.get_as(path, auth=auth, params=params, look=look)
        if found is None:
            return EMPTY  # type: ignore[return-value]  # there is none of any kind in it
        if isinstance(found, _NoList):
            raise VtnUnavailable(f"GET {path}: the VTN answers no list", status=200)
        return found


class SharedReadings:
    """What is read once for all who ask for the same. Safe for several threads.

    While one reads, the others wait; an error is told to them, too, and to nobody after them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[Hashable, Future[Any]] = {}

    def __call__(self, what: Hashable, read: Callable[[], T]) -> T:
        """What `read` returns, or returned before. `what`: what tells it apart from others."""
        with self._lock:
            known = self._known.get(what)
            if known is None:
                reading = self._known[what] = Future()
        if known is not None:
            result: T = known.result()
            return result
        try:
            reading.set_result(read())
        except BaseException as error:
            with self._lock:
                del self._known[what]
            reading.set_exception(error)
            raise
        found: T = reading.result()
        return found


def by_id(pages: Iterable[Page[T]]) -> dict[str, T]:
    """Of all pages, by id; one that moved to a later page meanwhile comes once."""
    found: dict[str, T] = {}
    for page in pages:
        for object_id, each in page.objects.items():
            found.setdefault(object_id, each)
    return found


def key_of(entry: Any) -> str:
    """What tells an entry of a list apart from the others."""
    return str(entry.get("id")) if isinstance(entry, Mapping) else repr(entry)


def _read_each_once(
    entries: Iterable[Any], read: Callable[[Wire], T], refused: Callable[[str], None]
) -> dict[str, T]:
    first: dict[str, Any] = {}
    for entry in entries:
        first.setdefault(key_of(entry), entry)
    return {
        object_id: each
        for object_id, entry in first.items()
        for each in read_each([entry], read, refused)
    }
