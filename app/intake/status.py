"""How sources are doing: what came of each, and whose data is old."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.intake.errors import SourcesError
from app.intake.measurement import Receipt, Refusals
from app.intake.meters import Meters
from app.intake.refusal_log import QUOTED
from app.intake.sources import Source
from app.intake.sources_file import SourcesFile
from app.intake.store import MeasurementLog
from app.intake.unknown import UnknownDevices
from app.platform import from_us

MAX_REASONS = 20
"""Of refusals, that are counted one by one; the others together."""
OTHERS = "others"
RATE_OVER_S = 60.0
LOOKED_AT_EVERY_S = 10.0
"""How old what is said of resources may be: there may be many."""


@dataclass(kw_only=True)
class SourceCounts:
    """What came of what a source handed in, since the application started."""

    taken: int = 0
    repeated: int = 0
    corrected: int = 0
    late: int = 0
    refused: int = 0
    differing: int = 0
    """Told values of a resource that what else was measured of it contradicts."""
    left_out: int = 0
    """Told values of a register that was read wrongly in between."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Why values were refused, and how many."""
    ignored: int = 0
    """Messages and lines that say nothing of what is asked for."""
    dropped: int = 0
    """Messages without a time of their own for which there was no room."""
    away: str | None = None
    """Why nothing is heard of it; None: it is connected, or need not be."""
    last_at: datetime | None = None
    """When it handed something in."""
    per_second: float = 0.0
    """Measurements taken over the last minute."""


class IntakeStats:
    """Counts what sources hand in. Safe for several threads."""

    def __init__(self, *, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._counts: dict[str, SourceCounts] = {}
        self._recent: dict[str, deque[tuple[float, int]]] = {}
        self.without_token = 0
        """Requests that were not let in, since the application started."""

    def not_let_in(self) -> None:
        """A request without the token of a source."""
        with self._lock:
            self.without_token += 1

    def record(self, source: str, receipt: Receipt) -> None:
        """One batch of a source."""
        with self._lock:
            counts = self._counts.setdefault(source, SourceCounts())
            counts.taken += receipt.taken
            counts.repeated += receipt.repeated
            counts.corrected += receipt.corrected
            counts.late += receipt.late
            counts.last_at = self._clock()
            self._recent.setdefault(source, deque()).append((self._monotonic(), receipt.taken))
            self._drop_old(source)

    def refused(self, source: str, refusals: Refusals) -> None:
        """Values of a source that were refused, where they were taken or where they were read."""
        reasons = Counter(QUOTED.sub("…", each.reason) for each in refusals.first)
        unnamed = refusals.count - len(refusals.first)
        if unnamed:
            reasons[OTHERS] += unnamed
        if not reasons:
            return
        with self._lock:
            counts = self._counts.setdefault(source, SourceCounts())
            counts.refused += sum(reasons.values())
            for reason, number in reasons.items():
                is_known = reason in counts.reasons or len(counts.reasons) < MAX_REASONS
                counts.reasons[reason if is_known else OTHERS] += number

    def came_to_nothing(self, source: str, *, ignored: int, dropped: int = 0) -> None:
        """Messages or lines of a source that say nothing, or for which there was no room."""
        with self._lock:
            counts = self._counts.setdefault(source, SourceCounts())
            counts.ignored += ignored
            counts.dropped += dropped

    def connection(self, source: str, problem: str | None) -> None:
        """Why nothing is heard of a source; None: it is."""
        with self._lock:
            self._counts.setdefault(source, SourceCounts()).away = problem

    def told(self, source: str, *, differing: bool, left_out: bool) -> None:
        """A value of a source was told, and there is something implausible about it."""
        with self._lock:
            counts = self._counts.setdefault(source, SourceCounts())
            counts.differing += differing
            counts.left_out += left_out

    def of(self, source: str) -> SourceCounts:
        """A copy of what is counted."""
        with self._lock:
            known = self._counts.get(source, SourceCounts())
            self._drop_old(source)
            taken = sum(number for _, number in self._recent.get(source, ()))
            reasons = Counter(known.reasons)
            return replace(known, reasons=reasons, per_second=taken / RATE_OVER_S)

    def _drop_old(self, source: str) -> None:
        recent, now_s = self._recent.get(source), self._monotonic()
        while recent and recent[0][0] <= now_s - RATE_OVER_S:
            recent.popleft()


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """One source, as it is now."""

    source: Source
    counts: SourceCounts
    resources: int
    """Whose meters are its."""
    newest: datetime | None
    """The end of its newest measurement."""
    stale: tuple[tuple[str, str], ...]
    """(VEN, resource) without a measurement within `max_age`; only of live sources."""
    unknown: int
    """Devices that it tells of and nobody has."""

    def is_silent(self, now: datetime) -> bool:
        """Whether a live source has given nothing for longer than it should."""
        if not self.source.is_live or not self.resources:
            return False
        return self.newest is None or now - self.newest > self.source.max_age


class SourceStatuses:
    """Looks at the log of measurements and at the fleet now and then. Safe for several threads."""

    def __init__(
        self,
        *,
        sources: SourcesFile,
        meters: Meters,
        log: MeasurementLog,
        stats: IntakeStats,
        unknown: UnknownDevices,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._sources = sources
        self._meters = meters
        self._log = log
        self._stats = stats
        self._unknown = unknown
        self._clock = clock
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked_at_s: float | None = None
        self._newest: dict[str, dict[tuple[str, str], datetime | None]] = {}
        self._unknown_of: Counter[str] = Counter()

    def all(self) -> list[SourceStatus]:
        """Every source, by name. SourcesError: their file was never right."""
        with self._lock:
            now_s = self._monotonic()
            if self._looked_at_s is None or now_s - self._looked_at_s >= LOOKED_AT_EVERY_S:
                self._look()
                self._looked_at_s = now_s
            now = self._clock()
            return [self._status(source, now) for _, source in sorted(self._sources.all().items())]

    @property
    def without_token(self) -> int:
        """Requests that were not let in, since the application started."""
        return self._stats.without_token

    def warnings(self) -> Iterator[str]:
        """What an operator should know, one line each."""
        try:
            statuses = self.all()
        except SourcesError as error:
            yield str(error)
            return
        known = {status.source.name for status in statuses}
        for name in sorted(self._newest.keys() - known):
            count = len(self._newest[name])
            yield f"{count} resources name the source {name}, which SOURCES_FILE does not have"
        now = self._clock()
        for status in statuses:
            if status.counts.away is not None:
                yield f"source {status.source.name} is away: {status.counts.away}"
            elif status.is_silent(now):
                name, newest = status.source.name, status.newest
                if newest is None:
                    yield f"source {name} has given nothing yet"
                else:
                    yield f"source {name} has given nothing since {newest:%Y-%m-%d %H:%M:%S} UTC"

    def _look(self) -> None:
        by_resource: dict[tuple[str, str], int] = {}
        for name, newest_us in self._log.newest():
            key = name.ven_name, name.resource_name
            by_resource[key] = max(by_resource.get(key, newest_us), newest_us)
        self._newest = {}
        for metered in self._meters.known().all():
            resource_key = metered.ven_name, metered.resource_name
            found = by_resource.get(resource_key)
            self._newest.setdefault(metered.source, {})[resource_key] = (
                None if found is None else from_us(found)
            )
        self._unknown_of = Counter(each.source for each in self._unknown.all())

    def _status(self, source: Source, now: datetime) -> SourceStatus:
        newest = self._newest.get(source.name, {})
        stale: list[tuple[str, str]] = []
        if source.is_live:
            stale = [key for key, at in newest.items() if at is None or now - at > source.max_age]
        known = [at for at in newest.values() if at is not None]
        return SourceStatus(
            source=source,
            counts=self._stats.of(source.name),
            resources=len(newest),
            newest=max(known, default=None),
            stale=tuple(stale),
            unknown=self._unknown_of[source.name],
        )
