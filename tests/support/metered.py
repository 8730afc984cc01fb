"""A fleet with real meters at an embedded VTN: measurements come in, and reports go out."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from app.fleet import Resource
from app.intake import Measurements, Receipt
from tests.support.intake import SOURCES, TOKEN, meter
from tests.support.workbench import Bench

MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)


class MeteredBench(Bench):
    """One VEN, Aarhus, whose resources have the meters d-1, d-2, … of the source `plant`."""

    def enrol_meters(self, *resources: Resource, sources: str = SOURCES) -> None:
        """Make the fleet: `hall` with meter d-1, unless others are named."""
        folder = Path()
        (folder / "sources.toml").write_text(sources)
        token = folder / "plant.token"
        token.write_text(TOKEN)
        token.chmod(0o600)
        fleet = resources or (meter("hall", source="plant", device="d-1"),)
        self.container.fleet.repository().save({"Aarhus": list(fleet)})
        self.manager.enrol()

    def take(self, batch: Measurements) -> Receipt:
        """Handed in by `plant`."""
        source = self.container.intake.sources().all()["plant"]
        receipt: Receipt = self.container.intake.intake().take(batch, source)
        return receipt

    def ask_for(self, *descriptors: dict[str, Any]) -> datetime:
        """An event that asks for telemetry from now on."""
        self.ask(*descriptors)
        self.manager.poll_events()
        return self.clock()

    def ask_by_quarter(self, *descriptors: dict[str, Any], count: int = 4) -> str:
        """An event of quarter-hours from now on, each reported when it is over."""
        begin = self.clock()
        event_id = self.ask(
            *(
                {"startInterval": 0, "numIntervals": 1, "frequency": 1, "repeat": -1, **descriptor}
                for descriptor in descriptors
            ),
            intervalPeriod={"start": begin.isoformat(), "duration": "PT15M"},
            intervals=[
                {"id": number, "payloads": [{"type": "SIMPLE", "values": [0]}]}
                for number in range(count)
            ],
        )
        self.manager.poll_events()
        return event_id

    def pass_time(self, **delta: float) -> None:
        """In one step: meter, and report."""
        self.clock.advance(**delta)
        self.container.simulator().increase_time()
        self.manager.generate_reports()

    def told(self, payload_type: str = "USAGE") -> dict[tuple[str, datetime], list[Any]]:
        """What the VTN was told, by resource and start, in the order in which it came."""
        found: dict[tuple[str, datetime], list[Any]] = {}
        for report in self.reports():
            for resource in report["resources"]:
                for interval in resource["intervals"]:
                    start = datetime.fromisoformat(interval["intervalPeriod"]["start"])
                    for payload in interval["payloads"]:
                        if payload["type"] == payload_type:
                            key = resource["resourceName"], start
                            found.setdefault(key, []).append(payload["values"][0])
        return found
