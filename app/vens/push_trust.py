"""Whether what push brings is all that there is (openadr.md, 'Push')."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.platform import LogOnce

logger = logging.getLogger(__name__)

Change = tuple[str, str]
"""An event's id, and which state of it: its modificationDateTime, or GONE."""
PUSH_GRACE_S = 10.0
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
    coverage_count: int = 0
    """How often push began to cover everything that the VEN wants."""
    polled_at_count: int = -1
    """`coverage_count` when the last successful poll began."""
    is_doubted: bool = False
    brought: OrderedDict[Change, None] = field(default_factory=OrderedDict)
    awaited: dict[Change, float] = field(default_factory=dict)
    """What a poll found first, and until when push may still bring it."""

    @property
    def is_trusted(self) -> bool:
        is_covered = any(coverage.is_complete for coverage in self.of_source.values())
        return is_covered and not self.is_doubted and self.polled_at_count == self.coverage_count


class PushTrust:
    """Push to a VEN is trusted while all of this holds, and nobody else decides it:

    - a kind of push (MQTT, webhooks) covers all that the VEN wants to be told of: every filter or
      subscription that is required (`require`) is confirmed (`confirmed`), and none was lost since
      (`lost`);
    - a poll that began after that succeeded, since what was missed before is not known;
    - no poll found a change that push did not bring within 10 s, unless push brought another one,
      or began again, since then.

    `monotonic` returns seconds that never go back; `safety_s`: how often a VEN is polled all the
    same, for the log. Safe for several threads.
    """

    def __init__(
        self, *, monotonic: Callable[[], float], safety_s: float, log_once: LogOnce
    ) -> None:
        self._monotonic = monotonic
        self._log_once = log_once
        self._safety_s = safety_s
        self._lock = threading.Lock()
        self._vens: dict[str, _Ven] = {}

    def require(self, source: str, wanted: Mapping[str, Iterable[object]]) -> None:
        """By VEN: what this kind of push has to cover from now on; nothing of it is confirmed."""
        with self._lock:
            for name, parts in wanted.items():
                self._ven(name).of_source[source] = _Coverage(frozenset(parts))

    def confirmed(
        self, source: str, ven_names: Iterable[str], parts: frozenset[object]
    ) -> list[str]:
        """All that is confirmed now, for these VENs; those that are covered, and were not before.

        They have to be polled: what they missed is not known.
        """
        new: list[str] = []
        with self._lock:
            for name in ven_names:
                ven = self._ven(name)
                coverage = ven.of_source.get(source)
                if coverage is None:
                    continue
                was_complete, coverage.is_complete = coverage.is_complete, coverage.wanted <= parts
                if coverage.is_complete and not was_complete:
                    ven.coverage_count += 1
                    ven.is_doubted = False
                    ven.awaited.clear()
                    new.append(name)
        return new

    def lost(self, source: str, ven_names: Iterable[str]) -> None:
        """This kind of push does not reach them any more."""
        with self._lock:
            for name in ven_names:
                if name in self._vens:
                    self._vens[name].of_source.pop(source, None)

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

    def covered(self, ven_names: Sequence[str]) -> tuple[frozenset[str], Sequence[int]]:
        """Which of these push tells of every change; and the counts of what covers each, to be
        passed to `polled`."""
        with self._lock:
            vens = [self._ven(name) for name in ven_names]
            trusted = frozenset(
                name for name, ven in zip(ven_names, vens, strict=True) if ven.is_trusted
            )
            return trusted, [ven.coverage_count for ven in vens]

    def polled(
        self, coverage: Mapping[str, int], should_be_known: Mapping[str, Iterable[Change]]
    ) -> None:
        """Polls succeeded.

        `coverage`: by VEN, the count as it was when its poll began. `should_be_known`: the changes
        that push should have brought, or will bring within 10 s.
        """
        until_s = self._monotonic() + PUSH_GRACE_S
        with self._lock:
            for name, count in coverage.items():
                ven = self._ven(name)
                ven.polled_at_count = count
                ven.awaited |= {
                    change: until_s
                    for change in should_be_known.get(name, ())
                    if change not in ven.brought
                }

    def refresh_trusted(self, ven_names: Iterable[str]) -> set[str]:
        """Of these, the VENs that need not be polled.

        VENs to which push did not bring a change in time are doubted from now on, and logged.
        """
        now_s = self._monotonic()
        trusted: set[str] = set()
        doubted: list[str] = []
        with self._lock:
            for name in ven_names:
                ven = self._ven(name)
                if any(until_s <= now_s for until_s in ven.awaited.values()):
                    ven.awaited.clear()
                    doubted += [] if ven.is_doubted else [name]
                    ven.is_doubted = True
                if ven.is_trusted:
                    trusted.add(name)
        if doubted:
            logger.warning(
                "VEN %s%s: a poll found a change that push did not bring within %.0f s;"
                " polled as without push",
                doubted[0],
                f" and {len(doubted) - 1} more" if len(doubted) > 1 else "",
                PUSH_GRACE_S,
            )
        return trusted

    def count(self) -> int:
        """For how many VENs push is trusted."""
        with self._lock:
            return sum(ven.is_trusted for ven in self._vens.values())

    def log_changes(self) -> None:
        """Log when push begins to work for some VEN, and when it no longer does for any."""
        if self.count():
            line = f"push works; polling is every {self._safety_s:.0f} s where it does"
            self._log_once.problem(logger, "push works", line, level=logging.INFO)
        elif self._log_once.problem(logger, "push works", None):
            logger.warning("push no longer works; polling as before")

    def forget(self, ven_name: str) -> None:
        """A VEN that is no longer in the fleet."""
        with self._lock:
            self._vens.pop(ven_name, None)

    def _ven(self, name: str) -> _Ven:
        ven = self._vens.get(name)
        if ven is None:
            ven = self._vens[name] = _Ven()
        return ven
