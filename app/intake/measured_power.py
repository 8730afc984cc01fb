"""What resources consumed over spans, as their meters say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from app.intake.energy import MeasuredEnergy
from app.intake.meters import Meters
from app.platform import to_us

Resource = tuple[str, str]
"""The name of a VEN, and of a resource."""
Span = tuple[datetime, datetime]


class MeasuredPower:
    """Reads the log of measurements. Safe for several threads."""

    def __init__(self, *, energy: MeasuredEnergy, meters: Meters) -> None:
        self._energy = energy
        self._meters = meters

    def mean_kw(self, spans: Mapping[Resource, Span]) -> dict[Resource, float]:
        """The net mean power of each resource over its span; those of which none is measured are
        missing."""
        known = self._meters.known()
        metered = [
            found
            for ven_name, resource_name in spans
            if (found := known.of_ven(ven_name).get(resource_name)) is not None
        ]
        if not metered:
            return {}
        start = min(span[0] for span in spans.values())
        end = max(span[1] for span in spans.values())
        means: dict[Resource, float] = {}
        for each, series in self._energy.series(metered, to_us(start), to_us(end)):
            first, last = spans[each.ven_name, each.resource_name]
            if last <= first:
                continue
            measured = series.energy(to_us(first), to_us(last))
            if measured.measured > 0:
                hours = (last - first).total_seconds() / 3600
                means[each.ven_name, each.resource_name] = measured.kwh / hours
        return means
