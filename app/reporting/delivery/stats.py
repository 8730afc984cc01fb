"""What was delivered and what was not, since the start: to be looked at."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class VenDelivery:
    """How the reports of one VEN fare."""

    last_report_at: datetime | None = None
    """When the VTN last acknowledged one, since the start."""
    problem: str | None = None
    """Why the last one was not acknowledged; None: it was."""


NOTHING_YET = VenDelivery()


class DeliveryStats:
    """Told after each round of reports. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_at: dict[str, datetime] = {}
        self._problems: dict[str, str] = {}
        self.readings = 0
        """Acknowledged since the start."""
        self.reports = 0
        self.last_report_at: datetime | None = None
        """When the VTN last acknowledged one."""

    def delivered(self, reports: Iterable[tuple[str, int]], at: datetime) -> None:
        """These were acknowledged: (VEN's name, readings)."""
        with self._lock:
            for ven_name, readings in reports:
                self.readings += readings
                self.reports += 1
                self._last_at[ven_name] = self.last_report_at = at
                self._problems.pop(ven_name, None)

    def failed(self, problems: Mapping[str, str]) -> None:
        """These were not: why, by the VEN's name."""
        with self._lock:
            self._problems.update(problems)

    def of(self, ven_name: str) -> VenDelivery:
        """How the reports of a VEN fare."""
        with self._lock:
            return VenDelivery(self._last_at.get(ven_name), self._problems.get(ven_name))

    def first_problems(self, most: int) -> list[tuple[str, str]]:
        """The first VENs, by name, whose last report was not acknowledged, and why."""
        with self._lock:
            problems = dict(self._problems)
        return heapq.nsmallest(most, problems.items())
