"""How long one step of the simulator takes, with an event in force.

python -m bench.answers [--vens 500] [--resources-per-ven 200]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson

from app.fleet import VEN, Status, sample_fleet
from app.openadr import Event, Program, Targets, VtnVen, read_event
from app.settings import Settings
from containers import Container

STEPS = 20
BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVENT = {
    "id": "e",
    "programID": "p",
    "intervalPeriod": {"start": "2026-06-01T12:00:00Z", "duration": "PT4H"},
    "intervals": [
        {
            "id": 0,
            "payloads": [
                {"type": "SIMPLE", "values": [2]},
                {"type": "IMPORT_CAPACITY_LIMIT", "values": [100.0]},
            ],
        }
    ],
}


class Vtn:
    """Tells every VEN of these events."""

    def __init__(self) -> None:
        self.events_told: list[Event] = []

    def ven(self, ven_id: str) -> VtnVen:
        return VtnVen(ven_id=ven_id, ven_name="")

    def programs(self, targets: Targets) -> list[Program]:  # noqa: ARG002
        return []

    def events(self, targets: Targets) -> list[Event]:  # noqa: ARG002
        return self.events_told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vens", type=int, default=500)
    parser.add_argument("--resources-per-ven", type=int, default=200)
    options = parser.parse_args()
    now = [BEGIN]
    with tempfile.TemporaryDirectory() as name:
        container = Container()
        container.settings.override(Settings(data_dir=Path(name)))
        container.clock.override(lambda: now[0])
        fleet = {
            ven_name: [replace(each, status=Status.APPROVED) for each in resources]
            for ven_name, resources in sample_fleet(
                vens=options.vens, resources_per_ven=options.resources_per_ven
            ).items()
        }
        count = container.repository().save(fleet)
        simulator, vtn = container.simulator(), Vtn()

        def steps() -> tuple[float, float]:
            """The first step and the median of the others, in ms."""
            took = []
            for _ in range(STEPS):
                now[0] += timedelta(seconds=30)
                began_s = time.perf_counter()
                simulator.next_frame()
                took.append((time.perf_counter() - began_s) * 1000)
            return took[0], statistics.median(took[1:])

        simulator.increase_time()
        print(f"{count:,} resources of {options.vens} VENs; one step, without the store")
        print("no event:          first {:6.1f} ms, then {:6.1f} ms".format(*steps()))
        vtn.events_told = [read_event(orjson.loads(orjson.dumps(EVENT)))]
        for ven_name in fleet:
            container.events().sync(VEN(ven_name=ven_name), vtn)  # type: ignore[arg-type]
        print("an event in force: first {:6.1f} ms, then {:6.1f} ms".format(*steps()))
        container.database().close()


if __name__ == "__main__":
    main()
