"""A shard in a few figures, for the page of the gateway, which shows all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.fleet import FleetRepository
from app.metering import PowerHistory
from app.ops.health import Readiness
from app.reporting.delivery import DeliveryStats


class Overview:
    """Looks at the parts when it is asked."""

    def __init__(
        self,
        *,
        readiness: Callable[[], Readiness],
        repository: FleetRepository,
        power: PowerHistory,
        delivery_stats: DeliveryStats,
    ) -> None:
        self._readiness = readiness
        self._repository = repository
        self._power = power
        self._delivery_stats = delivery_stats

    def fields(self) -> dict[str, Any]:
        """As JSON has it: what is not well, VENs, readings owed, kW by kind. DatabaseError."""
        readiness = self._readiness()
        points = self._power.points()
        last_report_at = self._delivery_stats.last_report_at
        return {
            "reasons": list(readiness.reasons),
            "warnings": list(readiness.warnings),
            "waiting_readings": readiness.waiting if readiness.counts_known else None,
            "vens": self._repository.count() if readiness.counts_known else None,
            "power_kw": {kind.value: kw for kind, kw in points[-1].by_kind_kw.items()}
            if points
            else {},
            "last_report_at": None if last_report_at is None else last_report_at.isoformat(),
        }
