"""Which VENs are asked for their events, and when (rules.md, 'Push')."""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from app.openadr import Event

logger = logging.getLogger(__name__)

Change = tuple[str, str]
"""An event's id, and which state of it: its modificationDateTime, or GONE."""
GONE = "gone"
PUSH_BRINGS_WITHIN_S = 10.0
MOST_BROUGHT = 200
"""Changes that push brought, of one VEN, that are remembered."""


@dataclass
class _Ven:
    sources: set[str] = field(default_factory=set)
    """The kinds of push that work: 'MQTT', 'webhooks'."""
    polled_since_s: float = -math.inf
    """When the last poll began that succeeded."""
    works_since_s: float = math.inf
    asked: bool = False
    doubted: bool = False
    brought: OrderedDict[Change, None] = field(default_factory=OrderedDict)
    awaited: dict[Change, float] = field(default_factory=dict)
    """What a poll found first, and until when push may still bring it."""


@runtime_checkable
class PlansPolls(Protocol):
    """When VENs are polled, for what pushes to them."""

    def ask(self, ven_names: Iterable[str]) -> None: ...

    def asked(self) -> list[str]: ...

    def works(self, source: str, ven_names: Iterable[str]) -> None: ...

    def fails(self, source: str, ven_names: Iterable[str]) -> None: ...

    def trusted(self) -> int: ...


class PollPlan:
    """Every VEN at every poll, but where push provably works: there seldom, or when push asks.

    Push works from its first complete poll on, since what was missed before is not known. It is
    doubted when a poll finds a change that push does not bring within 10 s, until it brings one, or
    begins anew. `monotonic` returns seconds that never go back; `safety_s`: how often a VEN is
    asked all the same. Safe for several threads.
    """

    def __init__(self, *, monotonic: Callable[[], float], safety_s: float) -> None:
        self._monotonic = monotonic
        self.safety_s = safety_s
        self._lock = threading.Lock()
        self._vens: dict[str, _Ven] = {}

    def due(self, ven_names: Sequence[str]) -> list[str]:
        """Of these, the VENs to ask now."""
        now_s = self._monotonic()
        with self._lock:
            doubted = [name for name in ven_names if self._begins_to_doubt(name, now_s)]
            found = [name for name in ven_names if self._is_due(self._ven(name), now_s)]
        if doubted:
            others = f" and {len(doubted) - 1} more" if len(doubted) > 1 else ""
            logger.warning(
                "VEN %s%s: a poll found a change that push did not bring within %.0f s;"
                " polled as without push",
                doubted[0],
                others,
                PUSH_BRINGS_WITHIN_S,
            )
        return found

    def asked(self) -> list[str]:
        """The VENs that push wants to be asked now."""
        with self._lock:
            return [name for name, ven in self._vens.items() if ven.asked]

    def ask(self, ven_names: Iterable[str]) -> None:
        """Something happened that only a poll can tell."""
        with self._lock:
            for name in ven_names:
                self._ven(name).asked = True

    def works(self, source: str, ven_names: Iterable[str]) -> None:
        """This kind of push works from now on; what was missed before is not known."""
        now_s = self._monotonic()
        with self._lock:
            for name in ven_names:
                ven = self._ven(name)
                ven.sources.add(source)
                ven.works_since_s = now_s
                ven.asked, ven.doubted = True, False
                ven.awaited.clear()

    def forget(self, ven_name: str) -> None:
        """A VEN that is not of the fleet any more."""
        with self._lock:
            self._vens.pop(ven_name, None)

    def fails(self, source: str, ven_names: Iterable[str]) -> None:
        """This kind of push does not work any more."""
        with self._lock:
            for name in ven_names:
                self._ven(name).sources.discard(source)

    def trusted(self) -> int:
        """For how many VENs push works."""
        with self._lock:
            return sum(self._is_trusted(ven) for ven in self._vens.values())

    def brought(self, ven_name: str, change: Change, *, first: bool) -> None:
        """Push brought a change; `first`: before any poll found it."""
        with self._lock:
            ven = self._ven(ven_name)
            ven.brought[change] = None
            if len(ven.brought) > MOST_BROUGHT:
                ven.brought.popitem(last=False)
            ven.awaited.pop(change, None)
            if first:
                ven.doubted = False

    def begins(self, ven_name: str) -> Poll:
        """A poll of this VEN begins."""
        with self._lock:
            ven = self._ven(ven_name)
            # What push itself asked for says nothing about what it misses.
            judges = self._is_trusted(ven) and not ven.asked
            poll = Poll(self._monotonic(), judges=judges, asked=ven.asked)
            ven.asked = False
            return poll

    def ends(self, ven_name: str, poll: Poll, changes: Iterable[Change]) -> None:
        """It succeeded; `changes`: what it found."""
        until_s = self._monotonic() + PUSH_BRINGS_WITHIN_S
        with self._lock:
            ven = self._ven(ven_name)
            ven.polled_since_s = poll.began_s
            if poll.judges:
                ven.awaited |= {each: until_s for each in changes if each not in ven.brought}

    def _ven(self, name: str) -> _Ven:
        return self._vens.setdefault(name, _Ven())

    def _is_trusted(self, ven: _Ven) -> bool:
        return bool(ven.sources) and not ven.doubted and ven.polled_since_s >= ven.works_since_s

    def _is_due(self, ven: _Ven, now_s: float) -> bool:
        if ven.asked or not self._is_trusted(ven):
            return True
        return now_s - ven.polled_since_s >= self.safety_s

    def _begins_to_doubt(self, name: str, now_s: float) -> bool:
        ven = self._ven(name)
        if not any(until_s <= now_s for until_s in ven.awaited.values()):
            return False
        ven.awaited.clear()
        begins = not ven.doubted
        ven.doubted = True
        return begins


@dataclass(frozen=True)
class Poll:
    """One poll of one VEN."""

    began_s: float
    judges: bool
    """Whether what it finds should have been brought by push."""
    asked: bool
    """Whether push wanted it."""


def state_of(event: Event) -> Change:
    """Which state of an event this is, by the VTN's modificationDateTime."""
    return event.event_id, "" if event.modified_at is None else event.modified_at.isoformat()


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> set[Change]:
    """What two looks at a VEN's events differ in."""
    gone = {(event_id, GONE) for event_id in before.keys() - after.keys()}
    return gone | (set(after.items()) - set(before.items()))
