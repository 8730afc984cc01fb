"""Whose a meter is: the resources of the fleet, by how sources name their meters."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from app.fleet import Resource
from app.intake.errors import UnknownMeter
from app.intake.measurement import MeterName
from app.openadr import normalized_name


@runtime_checkable
class MeteredFleet(Protocol):
    """Who has real meters."""

    def revision(self) -> int: ...

    def metered(self) -> Iterable[tuple[str, Resource]]: ...


class Metered(NamedTuple):
    """A resource that has a meter."""

    ven_name: str
    resource_name: str
    source: str
    power_min_kw: float = 0.0
    power_max_kw: float = 0.0
    energy_min_kwh: float = 0.0
    energy_max_kwh: float = 0.0


class KnownMeters:
    """The meters of the fleet at one time."""

    def __init__(self, metered: Iterable[tuple[str, Resource]]) -> None:
        self._by_name: dict[MeterName, list[Metered]] = {}
        self._of_ven: dict[str, dict[str, Metered]] = {}
        self._devices: dict[str, list[str]] = {}
        """By source."""
        for ven_name, resource in metered:
            self._add(ven_name, resource)

    def find(self, meter: MeterName, source: str | None) -> Metered:
        """The resource whose meter a source names so; of all sources where none is given.

        UnknownMeter: none has it, or several have.
        """
        named = meter if all(map(str.isascii, meter)) else MeterName(*map(normalized_name, meter))
        found = [
            each for each in self._by_name.get(named, ()) if source is None or each.source == source
        ]
        if len(found) == 1:
            return found[0]
        words = f"the name {meter}" if meter.ven_name else f"the meter {str(meter)[:80]!r}"
        of_source = "" if source is None else f" of source {source!r}"
        if not found:
            raise UnknownMeter(f"no resource has {words}{of_source}")
        others = ", ".join(each.source for each in found)
        raise UnknownMeter(
            f"several resources have {words}: of the sources {others}", is_anothers=True
        )

    @property
    def has_any(self) -> bool:
        """Whether any resource has a meter."""
        return bool(self._of_ven)

    def of_ven(self, ven_name: str) -> Mapping[str, Metered]:
        """Those of one VEN, by name."""
        return self._of_ven.get(ven_name, {})

    def devices(self, source: str) -> Sequence[str]:
        """What a source calls the meters that are known."""
        return self._devices.get(source, ())

    def all(self) -> list[Metered]:
        """Every resource that has a meter, by name."""
        return sorted({each for named in self._by_name.values() for each in named})

    def _add(self, ven_name: str, resource: Resource) -> None:
        metered = Metered(
            ven_name,
            resource.resource_name,
            resource.source or "",
            resource.power_min_kw,
            resource.power_max_kw,
            resource.energy_min_kwh,
            resource.energy_max_kwh,
        )
        self._of_ven.setdefault(ven_name, {})[resource.resource_name] = metered
        device = normalized_name(resource.meter)
        self._devices.setdefault(metered.source, []).append(device)
        names = [
            MeterName(device=device),
            MeterName(
                ven_name=normalized_name(ven_name),
                resource_name=normalized_name(resource.resource_name),
            ),
        ]
        if resource.meter_point_id:
            names.append(MeterName(meter_point_id=normalized_name(resource.meter_point_id)))
        for name in names:
            self._by_name.setdefault(name, []).append(metered)


class Meters:
    """The meters of the fleet, read again when it has changed. Safe for several threads."""

    def __init__(self, fleet: MeteredFleet) -> None:
        self._fleet = fleet
        self._lock = threading.Lock()
        self._revision: int | None = None
        self._known = KnownMeters(())

    def known(self) -> KnownMeters:
        """As they are now."""
        revision = self._fleet.revision()
        with self._lock:
            if revision != self._revision:
                self._known = KnownMeters(self._fleet.metered())
                self._revision = revision
            return self._known
