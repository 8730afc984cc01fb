"""What the page shows of one resource."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.fleet import FleetRepository, Resource
from app.intake import Exports

UNITS = {"KW": "kW", "KWH": "kWh", "PERCENT": "%"}
SHOWN = timedelta(days=1)
"""How far back measurements are shown."""


@dataclass(frozen=True, kw_only=True)
class ResourcePage:
    """A resource, and its last measurements, the newest first: start, end, quantity, value,
    quality."""

    resource: Resource
    measurements: list[tuple[str, ...]]


class ResourceView:
    """Reads the fleet and the log of measurements."""

    def __init__(
        self, *, repository: FleetRepository, exports: Exports, clock: Callable[[], datetime]
    ) -> None:
        self._repository = repository
        self._exports = exports
        self._clock = clock

    def find(self, ven_name: str, resource_name: str, limit: int) -> ResourcePage | None:
        """At most so many measurements; None: there is no such resource."""
        resource = self._repository.resource(ven_name, resource_name)
        if resource is None:
            return None
        now = self._clock()
        rows = sorted(
            self._exports.measurements(
                now - SHOWN, now + SHOWN, ven_name=ven_name, resource_name=resource_name
            ),
            key=lambda row: str(row["start"]),
            reverse=True,
        )
        return ResourcePage(
            resource=resource,
            measurements=[
                (
                    _shown(row["start"]),
                    _shown(row["end"] or ""),
                    " ".join(filter(None, (row["quantity"], row["direction"], row["channel"]))),
                    f"{row['value']:,.3f} {UNITS[row['unit']]}",
                    row["quality"],
                )
                for row in rows[:limit]
            ],
        )


def _shown(instant: str) -> str:
    return instant.replace("T", " ").removesuffix("Z")
