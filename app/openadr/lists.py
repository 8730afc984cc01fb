"""The lists of one VTN, page by page; what is read again and equal is not built again."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from app.openadr.answer import Answer
from app.openadr.errors import VtnUnavailable
from app.openadr.fields import Wire
from app.openadr.http import NO_CONTENT, VenAuth, VtnHttp
from app.openadr.pages import PAGE, Page, PageMemory
from app.openadr.wire import read_each

T = TypeVar("T")

MAX_PAGES = 2_500
MAX_LISTED_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Entries(Generic[T]):
    """What a list has, and how it is read."""

    read: Callable[[Wire], T]
    """Raises WireError for one that cannot be read."""
    refused: Callable[[str], None]
    """Is told of each of these."""
    is_brief: bool = False
    """Whether `read` looks at no more than `Answer.briefs` has."""


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
        entries: Entries[T],
        *,
        auth: VenAuth,
        most: int = MAX_PAGES,
    ) -> Sequence[Page[T]]:
        """The pages of a list, so many at most.

        VtnUnavailable: there is no list, or it is too large, or the application stops.
        """
        listed_bytes = 0

        def page(skip: int) -> Page[T]:
            nonlocal listed_bytes
            if skip and self._http.is_stopping:
                raise VtnUnavailable(f"GET {path}: ended, since the application stops")
            asked = {**params, "skip": skip, "limit": PAGE}
            found = self.page(path, asked, entries, auth=auth)
            listed_bytes += found.size_bytes
            if listed_bytes > MAX_LISTED_BYTES:
                raise VtnUnavailable(f"GET {path}: the list is larger than 256 MiB", status=200)
            return found

        of = (auth, *map(str, params.items()))
        return tuple(self._memory.pages(path, of, page, most=most))

    def page(
        self, path: str, params: Mapping[str, Any], entries: Entries[T], *, auth: VenAuth
    ) -> Page[T]:
        """One page."""
        found = self._http.get_as(path, auth=auth, params=params, look=partial(self._look, entries))
        if found is None:
            raise VtnUnavailable(f"GET {path}: the VTN answers no list", status=200)
        return found

    def _look(self, entries: Entries[T], answer: Answer) -> Page[T] | None:
        """None: it is no list. NotJson."""
        key = entries.read, hashlib.sha256(answer.content).digest()
        with self._lock:
            before: Page[T] | None = self._read.get(key)
        if before is not None:
            return before
        found: Any = []
        if answer.status != NO_CONTENT:
            found = answer.briefs() if entries.is_brief else answer.json()
        if not isinstance(found, list):
            return None
        made = Page(
            ids=tuple(map(key_of, found)),
            objects=_first_of_each(found, entries),
            size_bytes=len(answer.content),
        )
        with self._lock:
            return self._read.setdefault(key, made)


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


def _first_of_each(found: Iterable[Any], entries: Entries[T]) -> dict[str, T]:
    """By id, those that can be read."""
    first: dict[str, Any] = {}
    for entry in found:
        first.setdefault(key_of(entry), entry)
    return {
        object_id: each
        for object_id, entry in first.items()
        for each in read_each([entry], entries.read, entries.refused)
    }
