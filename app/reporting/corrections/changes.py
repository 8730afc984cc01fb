"""Which interval reports may have changed by what came since."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from app.intake import Arrivals, Arrived, ChangedSeries, Metered
from app.reporting.delivery import ChangedSpan, MeteredReports
from app.reporting.streams import RequestIndex

ROWS_AT_ONCE = 200_000


@runtime_checkable
class FollowsArrivals(Protocol):
    """Measurements in the order in which they came, and what they change."""

    def newest_seq(self) -> int: ...

    def since(self, after: int, *, most_rows: int) -> Arrivals: ...

    def changed_series(self, arrived: Arrived) -> Sequence[ChangedSeries]: ...


@runtime_checkable
class KnowsNeighbours(Protocol):
    """Knows how far a value reaches: what lies between two of a register belongs to both."""

    def affected_span(self, metered: Metered, changed: ChangedSeries) -> tuple[int, int]: ...


class ChangedReports:
    """Looks at what came, and marks the reports about that time. One thread looks."""

    def __init__(
        self,
        *,
        arrivals: FollowsArrivals,
        energy: KnowsNeighbours,
        requests: RequestIndex,
        reports: MeteredReports,
    ) -> None:
        self._arrivals = arrivals
        self._energy = energy
        self._requests = requests
        self._reports = reports

    def look(self) -> bool:
        """Take up all that came since the last look; whether there are, or were, real meters."""
        newest = self._arrivals.newest_seq()
        if not newest and not self._requests.has_meters:
            return False
        seen = self._reports.seen_seq()
        while seen < newest:
            arrivals = self._arrivals.since(seen, most_rows=ROWS_AT_ONCE)
            spans = {
                span
                for arrived in arrivals.arrived
                for changed in self._arrivals.changed_series(arrived)
                if (span := self._span(changed, arrived.seq)) is not None
            }
            seen = arrivals.through
            self._reports.changed(spans, seen)
        return True

    def _span(self, changed: ChangedSeries, seq: int) -> ChangedSpan | None:
        """The time of which something else is known now; None: nobody was told of it."""
        name = changed.name
        told = self._reports.told_of(name.ven_name)
        metered = self._requests.metered(name.ven_name).get(name.resource_name)
        if told is None or metered is None:
            return None
        if changed.first_us >= told.ends_us and not changed.is_behind and not told.is_open:
            return None  # as nearly always
        first_us, last_us = self._energy.affected_span(metered, changed)
        return ChangedSpan(name.ven_name, first_us, last_us, seq)
