"""Which VENs are asked for their events, and when (openadr.md, 'Push')."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from app.openadr import Event
from app.vens.push_trust import Change, PushTrust

GONE = "gone"


@runtime_checkable
class PlansPolls(Protocol):
    """When VENs are polled, for what pushes to them."""

    def ask(self, ven_names: Iterable[str]) -> None: ...

    def asked(self) -> list[str]: ...


class PollPlan:
    """Every VEN at every poll, but where push is trusted: there seldom, or when push asks.

    `monotonic` returns seconds that never go back; `safety_s`: how often a VEN is asked all the
    same. Safe for several threads.
    """

    def __init__(
        self, *, trust: PushTrust, monotonic: Callable[[], float], safety_s: float
    ) -> None:
        self._trust = trust
        self._monotonic = monotonic
        self.safety_s = safety_s
        self._lock = threading.Lock()
        self._asked: dict[str, None] = {}
        self._polled_since_s: dict[str, float] = {}
        """By VEN: when its last poll began that succeeded."""

    def due(self, ven_names: Sequence[str]) -> list[str]:
        """Of these, the VENs to ask now."""
        now_s = self._monotonic()
        trusted = self._trust.refresh_trusted(ven_names)
        with self._lock:
            return [
                name
                for name in ven_names
                if name in self._asked
                or name not in trusted
                or now_s - self._polled_since_s.get(name, -math.inf) >= self.safety_s
            ]

    def asked(self) -> list[str]:
        """The VENs that push wants to be asked now."""
        with self._lock:
            return list(self._asked)

    def ask(self, ven_names: Iterable[str]) -> None:
        """Something happened that only a poll can tell."""
        with self._lock:
            self._asked.update(dict.fromkeys(ven_names))

    def forget(self, ven_name: str) -> None:
        """A VEN that is no longer in the fleet."""
        self._trust.forget(ven_name)
        with self._lock:
            self._asked.pop(ven_name, None)
            self._polled_since_s.pop(ven_name, None)

    def begins(self, ven_names: Sequence[str]) -> Mapping[str, Poll]:
        """A poll of these VENs begins."""
        trusted, coverage = self._trust.covered(ven_names)
        now_s = self._monotonic()
        with self._lock:
            wanted = frozenset(name for name in ven_names if name in self._asked)
            for name in wanted:
                del self._asked[name]
        return {
            # What push itself asked for says nothing about what it misses.
            name: Poll(
                began_s=now_s,
                judges=name in trusted and name not in wanted,
                asked=name in wanted,
                coverage=count,
            )
            for name, count in zip(ven_names, coverage, strict=True)
        }

    def ends(self, polls: Mapping[str, Poll], changes: Mapping[str, Iterable[Change]]) -> None:
        """They succeeded; `changes`: what they found, by VEN."""
        with self._lock:
            for name, poll in polls.items():
                self._polled_since_s[name] = poll.began_s
        self._trust.polled(
            {name: poll.coverage for name, poll in polls.items()},
            {name: found for name, found in changes.items() if polls[name].judges},
        )


class Poll(NamedTuple):
    """One poll of one VEN."""

    began_s: float
    judges: bool
    """Whether what it finds should have been brought by push."""
    asked: bool
    """Whether push wanted it."""
    coverage: int
    """What push covered when it began; see `PushTrust`."""


def state_of(event: Event) -> Change:
    """Which state of an event this is, by the VTN's modificationDateTime."""
    return event.event_id, "" if event.modified_at is None else event.modified_at.isoformat()


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> set[Change]:
    """What two looks at a VEN's events differ in."""
    gone = {(event_id, GONE) for event_id in before.keys() - after.keys()}
    return gone | (set(after.items()) - set(before.items()))
