"""Who we are: VENs and their resources."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

MAX_MAGNITUDE = 1e9
"""Of kW and kWh: a terawatt. Single precision counts on exactly enough below it."""

MAX_LEAST_TIME = timedelta(days=1)
"""Of running, and of standing still."""
SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DESCRIPTION_FIELDS = (
    "kind",
    "meter_point_id",
    "latitude",
    "longitude",
    "address",
    "power_min_kw",
    "power_max_kw",
    "energy_min_kwh",
    "energy_max_kwh",
)
"""What an import may change about a resource; status and the VTN's ids stay."""
METER_FIELDS = ("source", "device")
"""What an import may say of a resource's meter; it is nothing that the VTN is told."""
ACTUATOR_FIELDS = ("actuator", "ramp_kw_per_min", "min_on", "min_off")
"""What an import may say of how a resource is given orders, which the VTN is not told, either."""
SIMULATOR = "simulator"
"""The source of resources whose readings are simulated."""
NOT_METERED = "none"
"""The source of resources that have no meter."""
THE_VEN = ""
"""In the place of a resource's name: the VEN itself."""


class Status(StrEnum):
    """Where a VEN or a resource stands with its VTN."""

    PENDING = "PENDING"
    """Not enrolled yet."""
    APPROVED = "APPROVED"
    """The VTN has it; it is metered and reported."""
    SUSPENDED = "SUSPENDED"
    """Taken out by an operator for a while."""
    REMOVED = "REMOVED"
    """Taken out for good: no longer metered, and gone when nothing of it is owed."""


class ResourceKind(StrEnum):
    """What a resource is, which decides its load shape and its answer to events."""

    HEAT_PUMP = "HEAT_PUMP"
    EV_CHARGER = "EV_CHARGER"
    BATTERY = "BATTERY"
    PV = "PV"
    VENTILATION = "VENTILATION"
    REFRIGERATION = "REFRIGERATION"
    WATER_HEATER = "WATER_HEATER"
    BASE_LOAD = "BASE_LOAD"


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A metered device. Power is positive when it consumes and negative when it exports.

    Raises ValueError for limits that contradict each other.
    """

    resource_name: str
    """Unique within its VEN, 1 to 128 characters."""
    kind: ResourceKind
    meter_point_id: str = ""
    """The grid operator's id of the meter, such as a GSRN."""
    latitude: float | None = None
    longitude: float | None = None
    address: str = ""
    power_min_kw: float = 0.0
    power_max_kw: float = 0.0
    energy_min_kwh: float = 0.0
    energy_max_kwh: float = 0.0
    """0 for what stores nothing."""
    status: Status = Status.PENDING
    vtn_resource_id: str | None = None
    source: str | None = None
    """`simulator`, `none`, or a name in SOURCES_FILE. None, before it is stored: as it was, or what
    METERING__DEFAULT_SOURCE says of new ones."""
    device: str | None = None
    """As the source calls its meter; blank: the meter point, else the resource's name. None, before
    it is stored: as it was, or blank."""
    actuator: str | None = None
    """A name in SOURCES_FILE: by which it is given orders; blank: it is given none. None, here and
    below, before it is stored: as it was, or none."""
    ramp_kw_per_min: float | None = None
    """How fast its power may be asked to change; 0: at once."""
    min_on: timedelta | None = None
    """How long it runs at the least, once it runs."""
    min_off: timedelta | None = None

    def __post_init__(self) -> None:
        _check_name(self.resource_name, "resource_name")
        if self.source is not None and not SOURCE_NAME.fullmatch(self.source):
            raise ValueError(f"source {self.source[:80]!r} is no name of a source")
        if self.device is not None and (len(self.device) > 256 or not self.device.isprintable()):
            raise ValueError(f"device {self.device[:80]!r} must be up to 256 printable characters")
        if self.actuator and not SOURCE_NAME.fullmatch(self.actuator):
            raise ValueError(f"actuator {self.actuator[:80]!r} is no name of an actuator")
        ramp = self.ramp_kw_per_min
        if ramp is not None and not 0 <= ramp <= MAX_MAGNITUDE:
            raise ValueError(f"ramp_kw_per_min {ramp:g} is not from 0 to {MAX_MAGNITUDE:g}")
        for name in ("min_on", "min_off"):
            least = getattr(self, name)
            if least is not None and not timedelta(0) <= least <= MAX_LEAST_TIME:
                raise ValueError(f"{name} is not from PT0S to P1D")
        for low, high in (("power_min_kw", "power_max_kw"), ("energy_min_kwh", "energy_max_kwh")):
            lowest, highest = getattr(self, low), getattr(self, high)
            if not (math.isfinite(lowest) and math.isfinite(highest)):
                raise ValueError(f"{low} and {high} must be finite numbers")
            for name, value in ((low, lowest), (high, highest)):
                if abs(value) > MAX_MAGNITUDE:
                    raise ValueError(f"{name} {value:g} is more than any device has")
            if lowest > highest:
                raise ValueError(f"{low} {lowest:g} is above {high} {highest:g}")
        if self.energy_min_kwh < 0:
            raise ValueError(f"energy_min_kwh {self.energy_min_kwh:g} is negative")
        if self.kind is ResourceKind.BATTERY and self.energy_max_kwh == 0:
            raise ValueError("a BATTERY needs an energy_max_kwh above 0")
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude go together")
        if self.latitude is not None and not -90 <= self.latitude <= 90:
            raise ValueError(f"latitude {self.latitude:g} is not between -90 and 90")
        if self.longitude is not None and not -180 <= self.longitude <= 180:
            raise ValueError(f"longitude {self.longitude:g} is not between -180 and 180")

    @property
    def is_simulated(self) -> bool:
        """Whether its readings are."""
        return self.source in (None, SIMULATOR)

    @property
    def has_meter(self) -> bool:
        """Whether a source measures it."""
        return self.source not in (None, SIMULATOR, NOT_METERED)

    @property
    def is_metered(self) -> bool:
        """Whether it has readings, simulated ones or those of a source."""
        return self.source != NOT_METERED

    @property
    def meter(self) -> str:
        """What its source calls its meter."""
        return self.device or self.meter_point_id or self.resource_name

    @property
    def is_ordered(self) -> bool:
        """Whether it is given orders."""
        return bool(self.actuator)

    def attributes(self) -> dict[str, list[str | float]]:
        """OpenADR resource attributes, by type (3.1.0 enumerations, and private ones).

        A type that says nothing of this resource has no values.
        """
        description = ", ".join(part for part in (self.kind.value, self.address) if part)
        found: dict[str, list[str | float]] = {
            "DESCRIPTION": [description[:128]],
            "MAX_POWER_CONSUMPTION": [max(self.power_max_kw, 0.0)],
            "MAX_POWER_EXPORT": [abs(min(self.power_min_kw, 0.0))],
            "RESOURCE_KIND": [self.kind.value],
            "LOCATION": [],
            "METER_POINT_ID": [self.meter_point_id] if self.meter_point_id else [],
            "STORAGE_CAPACITY_KWH": [self.energy_max_kwh] if self.energy_max_kwh else [],
        }
        if self.longitude is not None and self.latitude is not None:
            found["LOCATION"] = [self.longitude, self.latitude]
        return found


@dataclass(frozen=True, kw_only=True)
class VEN:
    """A virtual end node, without its resources."""

    ven_name: str
    """Unique in the fleet, 1 to 128 characters; the venName and clientName on the wire."""
    status: Status = Status.PENDING
    vtn_ven_id: str | None = None

    def __post_init__(self) -> None:
        _check_name(self.ven_name, "ven_name")


@dataclass(frozen=True, kw_only=True)
class VenSummary:
    """A VEN with the number of its resources by status."""

    ven: VEN
    resources: int
    approved: int
    pending: int
    suspended: int


def _check_name(name: str, field: str) -> None:
    if name != name.strip():
        raise ValueError(f"{field} {name[:140]!r} has a space before or after it")
    if not 1 <= len(name) <= 128 or not name.isprintable():
        raise ValueError(f"{field} {name[:140]!r} must be 1 to 128 printable characters")
