"""A fleet that changes while it runs: what is imported, taken out, and at the VTN."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.fleet import THE_VEN, FleetRepository, Resource
from app.vens import Removal
from app.vens.removals import A_TICK
from tests.support.workbench import Bench

PUMP = "Aarhus-01-heat-pump"


def pump_of(bench: Bench) -> Resource:
    found: Resource | None = bench.container.fleet.repository().resource("Aarhus", PUMP)
    assert found is not None
    return found


def import_(bench: Bench, **changed: Any) -> None:
    repository: FleetRepository = bench.container.fleet.repository()
    repository.save({"Aarhus": [replace(pump_of(bench), **changed)]})


def at_vtn(bench: Bench, name: str = PUMP) -> dict[str, Any]:
    (found,) = [
        each
        for each in bench.vtn.store.select("RESOURCE", limit=1_000)
        if each["resourceName"] == name
    ]
    return found


def remove(bench: Bench, ven_name: str, resource_name: str = THE_VEN, **how: Any) -> None:
    removal = Removal(ven_name=ven_name, resource_name=resource_name, **how)
    bench.container.vens.removals().begin(removal)
    bench.clock.advance(seconds=A_TICK.total_seconds())


def vens(bench: Bench) -> list[str]:
    return list(bench.container.fleet.repository().ven_names())


def vens_at_vtn(bench: Bench) -> list[str]:
    return sorted(each["venName"] for each in bench.vtn.store.select("VEN"))


def ask_for_ten_minutes(bench: Bench, times: int, descriptor: dict[str, Any]) -> None:
    """An event of so many intervals of ten minutes, from now on."""
    price = {"type": "PRICE", "values": [1.0]}
    bench.ask(
        descriptor,
        intervalPeriod={"start": bench.clock.now.isoformat(), "duration": "PT10M"},
        intervals=[{"id": number, "payloads": [price]} for number in range(times)],
    )
    bench.manager.poll_events()


def reported_by(bench: Bench, ven_name: str, payload_type: str) -> int:
    """How many values of a type the VTN has of a VEN's resources."""
    found = bench.readings(payload_type)
    return sum(count for (name, _), count in found.items() if name.startswith(ven_name))
