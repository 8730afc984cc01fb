"""The targets that business logic granted to VENs and their resources (openadr.md, 'Targets')."""

from __future__ import annotations

import logging
import math
import random
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar
from weakref import WeakKeyDictionary

from app.events.ports import EventsClient
from app.events.seen import Granted
from app.fleet import VEN
from app.openadr import (
    PAGE,
    Targets,
    VtnDown,
    VtnError,
    VtnResource,
    VtnUnauthorised,
    VtnVen,
    WireError,
    normalized_name,
)
from app.platform import LogOnce

logger = logging.getLogger(__name__)
T = TypeVar("T")
Enrolled = Mapping[str, Collection[str]]
"""By VEN: the names of its enrolled resources."""
LISTS_AGAIN_S = 3600.0
"""After lists that were too long, or did not show what they would have to."""
TOO_MANY_REQUESTS = 429
VENS_AT_ONCE = 500
"""Whose resources are looked up in one query."""


class Grants:
    """Reads them, and knows when: every `max_age_s`, or when they are doubted.

    `enrolled`: the resources of VENs. `shown` is told of each VEN whether the VTN shows its ven
    object, and which of these resources it does not show. `monotonic` returns seconds that never go
    back; `drawn`: a share of 1, so that VENs that were read at once are not read at once again.
    Safe for several threads.
    """

    def __init__(
        self,
        *,
        log_once: LogOnce,
        enrolled: Callable[[Sequence[str]], Enrolled],
        shown: Callable[[VEN, bool, Collection[str]], None],
        max_age_s: float,
        monotonic: Callable[[], float],
        drawn: Callable[[], float] = random.random,
    ) -> None:
        self._log_once = log_once
        self._enrolled = enrolled
        self._shown = shown
        self._max_age_s = max_age_s
        self._monotonic = monotonic
        self._drawn = drawn
        self._lock = threading.Lock()
        self._pages: WeakKeyDictionary[object, tuple[float, float]] = WeakKeyDictionary()
        """By client: how many pages its lists have at least, and until when that is believed."""
        self._good_until_s: dict[str, float] = {}
        """By VEN: until when what was read may be used."""

    def due(self, ven_names: Iterable[str]) -> set[str]:
        """Of these, the VENs whose targets have to be read."""
        now_s = self._monotonic()
        with self._lock:
            return {name for name in ven_names if self._good_until_s.get(name, now_s) <= now_s}

    def doubt(self, ven_names: Iterable[str]) -> None:
        """They may have changed: they are due."""
        with self._lock:
            for name in ven_names:
                self._good_until_s.pop(name, None)

    def were_read(self, ven_names: Iterable[str]) -> None:
        """The targets of these VENs are as they were just read, and are kept: for a while they need
        not be read again. Those of one call are due together again; others at other times."""
        good_until_s = self._monotonic() + self._max_age_s * (0.5 + self._drawn() / 2)
        with self._lock:
            self._good_until_s.update(dict.fromkeys(ven_names, good_until_s))

    def read(self, ven: VEN, client: EventsClient, kept: Granted) -> tuple[Granted, bool]:
        """The targets as they are now, and whether the VTN shows all that the VEN has enrolled;
        what may not be read stays as it was. Raises VtnError."""
        ven_id = ven.vtn_ven_id
        if ven_id is None:
            return kept, False
        try:
            seen = self.allowed(lambda: (client.ven(ven_id),), "its ven object", client)
        except WireError as error:
            self._say(f"VEN {ven.ven_name}: {error}; its targets stay as they were")
            return kept, True
        if seen is None:
            return kept, True
        (found,) = seen
        if found is None:
            self._shown(ven, False, ())
            return kept, False
        resources = self.allowed(lambda: client.resources(ven_id), "its resources", client)
        if resources is None:
            self._shown(ven, True, ())
            own = self._readable(found.targets, kept.ven, f"VEN {ven.ven_name}")
            return _same(kept, replace(kept, ven=own)), True
        enrolled = self._enrolled([ven.ven_name]).get(ven.ven_name, ())
        granted, missing = self._of(ven, found, resources, kept, enrolled)
        self._shown(ven, True, missing)
        return granted, not missing

    def may_read_of_all(self, client: EventsClient, *, due: int, of: int) -> bool:
        """Whether lists cost less than to ask for each of so many of a client's VENs, which are two
        requests."""
        if not client.lists_all_resources or due < 2:
            return False
        pages = 2 * (of // PAGE + 1)
        with self._lock:
            known, until_s = self._pages.get(client.identity, (0.0, 0.0))
        return 2 * due >= (max(pages, known) if self._monotonic() < until_s else pages)

    def read_of_all(
        self, vens: Sequence[VEN], client: EventsClient, kept: Mapping[str, Granted]
    ) -> dict[str, Granted]:
        """The same of some of the VENs that are one client, from lists, by name; without those of
        whom the lists do not show all, which says nothing yet. VtnDown, or VtnUnavailable where the
        VTN is asked too much."""
        most_pages = 2 * len(vens)  # of more, each VEN is better asked for
        try:
            listed, _ = client.vens_listed(most_pages=most_pages)
            resources, are_all = client.resources_listed(most_pages=most_pages)
        except VtnError as error:
            if isinstance(error, VtnDown) or getattr(error, "status", None) == TOO_MANY_REQUESTS:
                raise
            self._has_pages(client, math.inf)
            return {}  # each may still see its own
        if not are_all:  # of a VEN, some might be missing
            self._has_pages(client, most_pages + 1)
            return {}
        found = {ven.ven_id: ven for ven in listed}
        of_ven: dict[str, list[VtnResource]] = {}
        for resource in resources:
            of_ven.setdefault(resource.ven_id or "", []).append(resource)
        granted: dict[str, Granted] = {}
        for start in range(0, len(vens), VENS_AT_ONCE):
            some = vens[start : start + VENS_AT_ONCE]
            enrolled = self._enrolled([ven.ven_name for ven in some])
            for ven in some:
                there = found.get(ven.vtn_ven_id or "")
                if there is None:
                    continue
                before = kept[ven.ven_name]
                own = of_ven.get(there.ven_id, ())
                now, missing = self._of(ven, there, own, before, enrolled.get(ven.ven_name, ()))
                if not missing:
                    self._shown(ven, True, ())
                    granted[ven.ven_name] = now
        if len(granted) < len(vens) / 2:
            self._has_pages(client, math.inf)  # they do not show what they would have to
        return granted

    def _has_pages(self, client: EventsClient, pages: float) -> None:
        """So many at least, before its lists show what is asked for; inf: they do not."""
        with self._lock:
            self._pages[client.identity] = pages, self._monotonic() + LISTS_AGAIN_S

    def forget(self, ven_name: str) -> None:
        """A VEN that is no longer in the fleet."""
        self.doubt([ven_name])

    def _of(
        self,
        ven: VEN,
        found: VtnVen,
        resources: Iterable[VtnResource],
        kept: Granted,
        enrolled: Collection[str],
    ) -> tuple[Granted, Collection[str]]:
        """What is granted by these objects, and which of the VEN's resources are not among them."""
        ours = {normalized_name(name): name for name in enrolled}
        targets = {}
        for resource in resources:
            # As the fleet spells it: a VTN may compose its letters in another way.
            name = ours.pop(normalized_name(resource.resource_name), resource.resource_name)
            targets[name] = self._readable(
                resource.targets,
                kept.resources.get(name, frozenset()),
                f"VEN {ven.ven_name}, resource {name!r}",
            )
        now = Granted(
            ven=self._readable(found.targets, kept.ven, f"VEN {ven.ven_name}"),
            resources={name: own for name, own in targets.items() if own},
        )
        return _same(kept, now), ours.values()

    def _readable(self, targets: Targets | None, kept: Targets, whose: str) -> Targets:
        if targets is None:
            self._say(f"{whose}: targets cannot be read and stay as they were")
            return kept
        return targets

    def allowed(self, ask: Callable[[], T], what: str, client: EventsClient) -> T | None:
        """The answer, or None where the VEN may not ask (403): said once, and no reason to stop."""
        try:
            return ask()
        except VtnUnauthorised as error:
            if error.status != 403:
                raise
            self._say(f"VEN {client.ven_name} may not read {what}: {error}", about=what)
            return None

    def _say(self, line: str, about: str = "") -> None:
        self._log_once(logger, logging.WARNING, line, about=about)


def _same(before: Granted, now: Granted) -> Granted:
    return before if before == now else now
