"""A fleet to begin with: VENs named after Danish towns."""

from __future__ import annotations

import random
from collections.abc import Iterator

from app.fleet.model import SIMULATOR, Resource, ResourceKind

TOWNS = {
    "Aalborg": (57.048, 9.919),
    "Aarhus": (56.157, 10.211),
    "Esbjerg": (55.470, 8.452),
    "Herning": (56.139, 8.974),
    "Horsens": (55.861, 9.850),
    "Kolding": (55.490, 9.472),
    "Odense": (55.403, 10.388),
    "Randers": (56.460, 10.036),
    "Roskilde": (55.642, 12.087),
    "Vejle": (55.709, 9.536),
}
STREETS = ("Skolegade", "Havnevej", "Kirkevej", "Parkvej", "Stationsvej", "Vestergade", "Lindevej")
K = ResourceKind
MIX = (
    *(K.HEAT_PUMP, K.EV_CHARGER, K.BATTERY, K.PV, K.VENTILATION),
    *(K.REFRIGERATION, K.WATER_HEATER, K.BASE_LOAD, K.HEAT_PUMP, K.EV_CHARGER),
    *(K.PV, K.VENTILATION, K.REFRIGERATION, K.WATER_HEATER, K.HEAT_PUMP),
    *(K.EV_CHARGER, K.BATTERY, K.PV, K.HEAT_PUMP, K.EV_CHARGER),
)
"""What the first resources of a VEN are, in turn."""
POWER_KW = {
    K.HEAT_PUMP: (0.0, (4.0, 12.0)),
    K.EV_CHARGER: (0.0, (7.4, 22.0)),
    K.BATTERY: (-1.0, (5.0, 15.0)),
    K.PV: (-1.0, (5.0, 30.0)),
    K.VENTILATION: (0.0, (1.0, 8.0)),
    K.REFRIGERATION: (0.0, (0.5, 6.0)),
    K.WATER_HEATER: (0.0, (1.5, 3.0)),
    K.BASE_LOAD: (0.0, (2.0, 20.0)),
}
"""Export as a share of the rated power, and the range of rated power."""
STORAGE_H = {K.BATTERY: 2.0, K.EV_CHARGER: 4.0, K.WATER_HEATER: 3.0}
"""Hours of rated power that fit into the storage."""


def ven_names() -> Iterator[str]:
    """Names without end: the towns, then the towns with a number."""
    round_ = 1
    while True:
        for town in TOWNS:
            yield town if round_ == 1 else f"{town}-{round_}"
        round_ += 1


def sample_fleet(*, vens: int, resources_per_ven: int) -> dict[str, list[Resource]]:
    """So many VENs, each with so many resources; the same every time."""
    names = ven_names()
    return {
        name: _resources(name, resources_per_ven) for name in (next(names) for _ in range(vens))
    }


def _resources(ven_name: str, count: int) -> list[Resource]:
    drawn = random.Random(ven_name)
    town = ven_name.split("-")[0]
    latitude, longitude = TOWNS[town]
    made = []
    for number in range(1, count + 1):
        kind = MIX[(number - 1) % len(MIX)]
        export, (smallest_kw, largest_kw) = POWER_KW[kind]
        rated_kw = round(drawn.uniform(smallest_kw, largest_kw), 1)
        made.append(
            Resource(
                resource_name=f"{ven_name}-{number:02d}-{kind.lower().replace('_', '-')}",
                kind=kind,
                meter_point_id=_gsrn(f"571313{drawn.randrange(10**11):011d}"),
                latitude=round(latitude + drawn.uniform(-0.03, 0.03), 5),
                longitude=round(longitude + drawn.uniform(-0.05, 0.05), 5),
                address=f"{drawn.choice(STREETS)} {drawn.randint(1, 120)}, {town}",
                power_min_kw=export * rated_kw,
                power_max_kw=0.0 if kind is K.PV else rated_kw,
                energy_max_kwh=round(STORAGE_H.get(kind, 0.0) * rated_kw, 1),
                source=SIMULATOR,
            )
        )
    return made


def _gsrn(digits: str) -> str:
    """A GS1 service relation number: 17 digits and their check digit."""
    weighted = sum(int(digit) * (3, 1)[place % 2] for place, digit in enumerate(digits))
    return f"{digits}{-weighted % 10}"
