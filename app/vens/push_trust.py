"""Whether what push brings is all that there is (rules.md, 'Push')."""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

logger = logging.getLogger(__name__)

Change = tuple[str, str]
"""An event's id, and which state of it: its modificationDateTime, or GONE."""
BRINGS_WITHIN_S = 10.0
MAX_BROUGHT = 200
"""Changes that push brought, of one VEN, that are remembered."""


@dataclass
class _Coverage:
    """What one kind of push has to cover of a VEN."""

    wanted: frozenset[object]
    is_complete: bool = False
    """Whether the VTN has confirmed all of it."""


@dataclass
class _Ven:
    of_source: dict[str, _Coverage] = field(default_factory=dict)
    complete_since_s: float = math.inf
    polled_since_s: float = -math.inf
    """When the last poll began that succeeded."""
    is_doubted: bool = False
    brought: OrderedDict[Change, None] = field(default_factory=OrderedDict)
    awaited: dict[Change, float] = field(default_factory=dict)
    """What a poll found first, and until when push may still bring it."""

    @property
    def is_trusted(self) -> bool:
        is_covered = any(each.is_complete for each in self.of_source.values())
        return is_covered and not self.is_doubted and self.polled_since_s >= self.complete_since_s


class PushTrust:
    """Push to a VEN is trusted while all of this holds, and nobody else decides it:

    - a kind of push (MQTT, webhooks) covers all that the VEN wants to be told of: every filter or
      subscription that it `wants` is confirmed (`confirmed`), and none was lost since (`lost`);
    - a poll that began after that succeeded, since what was missed before is not known;
    - no poll found a change that push did not bring within 10 s, unless push brought another one,
      or began anew, since then.

    `monotonic` returns seconds that never go back; `safety_s`: how often a VEN is polled all the
    same, for the log. Safe for several threads.
    """

    def __init__(self, *, monotonic: Callable[[], float], safety_s: float) -> None:
        self._monotonic = monotonic
        self._safety_s = safety_s
        self._lock = threading.Lock()
        self._vens: dict[str, _Ven] = {}
        self._works = False

    def wants(self, source: str, wanted: Mapping[str, Iterable[object]]) -> None:
        """By VEN: what this kind of push has to cover; nothing of it is confirmed yet."""
        with self._lock:
            for name, parts in wanted.items():
                self._ven(name).of_source[source] = _Coverage(frozenset(parts))

    def confirmed(
        self, source: str, ven_names: Iterable[str], parts: frozenset[object]
    ) -> list[str]:
        """All that is confirmed now, for these VENs; those that are covered, and were not before.

        They have to be polled: what they missed is not known.
        """
        now_s = self._monotonic()
        new: list[str] = []
        with self._lock:
            for name in ven_names:
                ven = self._ven(name)
                coverage = ven.of_source.get(source)
                if coverage is None:
                    continue
                was_complete, coverage.is_complete = coverage.is_complete, coverage.wanted <= parts
                if coverage.is_complete and not was_complete:
                    ven.complete_since_s, ven.is_doubted = now_s, False
                    ven.awaited.clear()
                    new.append(name)
        return new

    def is_covered(self, source: str, ven_name: str) -> bool:
        """Whether this kind of push covers all that the VEN wants."""
        with self._lock:
            coverage = self._ven(ven_name).of_source.get(source)
            return coverage is not None and coverage.is_complete

    def lost(self, source: str, ven_names: Iterable[str]) -> None:
        """This kind of push does not reach them any more."""
        with self._lock:
            for name in ven_names:
                self._ven(name).of_source.pop(source, None)

    def interrupted(self, source: str, ven_names: Iterable[str]) -> None:
        """Nothing is confirmed any more of what they want, until it is again."""
        with self._lock:
            for name in ven_names:
                coverage = self._ven(name).of_source.get(source)
                if coverage is not None:
                    coverage.is_complete = False

    def brought(self, ven_name: str, change: Change, *, first: bool) -> None:
        """Push brought a change; `first`: before any poll found it."""
        with self._lock:
            ven = self._ven(ven_name)
            ven.brought[change] = None
            if len(ven.brought) > MAX_BROUGHT:
                ven.brought.popitem(last=False)
            ven.awaited.pop(change, None)
            if first:
                ven.is_doubted = False

    def polled(self, ven_name: str, *, since_s: float, should_be_known: Iterable[Change]) -> None:
        """A poll that began then succeeded; these changes push should have brought, or will."""
        until_s = self._monotonic() + BRINGS_WITHIN_S
        with self._lock:
            ven = self._ven(ven_name)
            ven.polled_since_s = since_s
            ven.awaited |= {each: until_s for each in should_be_known if each not in ven.brought}

    def is_trusted(self, ven_name: str) -> bool:
        """Whether the VEN need not be polled: push would tell it."""
        now_s = self._monotonic()
        with self._lock:
            ven = self._ven(ven_name)
            begins_to_doubt = any(until_s <= now_s for until_s in ven.awaited.values())
            if begins_to_doubt:
                ven.awaited.clear()
                begins_to_doubt, ven.is_doubted = not ven.is_doubted, True
            trusted = ven.is_trusted
        if begins_to_doubt:
            logger.warning(
                "VEN %s: a poll found a change that push did not bring within %.0f s;"
                " polled as without push",
                ven_name,
                BRINGS_WITHIN_S,
            )
        return trusted

    def count(self) -> int:
        """For how many VENs push is trusted."""
        with self._lock:
            return sum(ven.is_trusted for ven in self._vens.values())

    def tell(self) -> None:
        """Log when push begins to work, for any VEN, and when it ends for all."""
        works = self.count() > 0
        if works and not self._works:
            logger.info("push works; polling is every %.0f s where it does", self._safety_s)
        elif self._works and not works:
            logger.warning("push does not work any more; polling as before")
        self._works = works

    def forget(self, ven_name: str) -> None:
        """A VEN that is not of the fleet any more."""
        with self._lock:
            self._vens.pop(ven_name, None)

    def _ven(self, name: str) -> _Ven:
        return self._vens.setdefault(name, _Ven())
