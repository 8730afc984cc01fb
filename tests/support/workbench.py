"""A fleet at an embedded VTN, with time and faults in the test's hands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from app.fleet import sample_fleet
from app.fleet.held_vens import MAX_PAUSE_S
from app.reporting.content import NewReadings
from app.reporting.delivery import ReportBuilder, SizeLimits
from app.vtn import EmbeddedVtn
from containers import Container
from tests.support.fakes import FakeClock, UndatedVtn
from tests.support.migrated import put_migrated
from tests.support.transports import FaultyTransport
from tests.support.wiring import provider

VENS, RESOURCES = 3, 4
SAMPLE = ("Aalborg", "Aarhus", "Esbjerg")
"""Their names."""
REBUILT = (
    "streams.request_index",
    "streams.backlog",
    "streams.store",
    "streams.reconciler",
    "delivery.due_reports",
    "delivery.interval_reports",
    "delivery.builder",
    "delivery.batch_sender",
    "delivery.settlement",
    "delivery.service",
    "vens.removals",
    "vens.manager",
)
"""What is built of others that tests replace."""
RESTARTED = ("streams.retention", *REBUILT)
"""What a restart reads from the database again."""
TICK = VENS * RESOURCES
"""Readings of one tick."""


class Bench:
    """A fleet at an embedded VTN, with time and faults in the test's hands."""

    def __init__(
        self,
        container: Container,
        vtn: EmbeddedVtn,
        clock: FakeClock,
        *,
        real_transport: bool = False,
    ) -> None:
        self.container = container
        self.vtn = vtn
        self.clock = clock
        self.transport = FaultyTransport(vtn)
        file = container.platform.database().file
        if file is not None:
            put_migrated(file)
        container.platform.clock.override(clock)
        container.platform.monotonic.override(clock.monotonic)
        container.openadr.vtn_clock.override(UndatedVtn(clock=clock, monotonic=clock.monotonic))
        if not real_transport:
            container.openadr.transport.override(self.transport)
        provider(container, "openadr.http").add_kwargs(backoff_s=0.001)

    @property
    def manager(self) -> Any:
        return self.container.ven_manager()

    def enrol(self, *, vens: int = VENS, resources_per_ven: int = RESOURCES) -> None:
        """Make the fleet, and let the VTN know it."""
        sample = sample_fleet(vens=vens, resources_per_ven=resources_per_ven)
        self.container.fleet.repository().save(sample)
        self.manager.enrol()

    def waiting(self) -> int:
        """How many readings are owed."""
        return int(self.container.delivery.service().waiting())

    def retry(self) -> int:
        """Let every rejected report be sent again."""
        rejected = self.container.streams.rejected()
        return int(rejected.retry([report.set_aside_id for report in rejected.reports()]))

    def replace(self, path: str, stand_in: object) -> None:
        """Let the manager be built again, with this in the place of 'room.provider'."""
        provider(self.container, path).override(stand_in)
        for built in REBUILT:
            provider(self.container, built).reset()

    def builder(self, *, frames: Any = None, **limits: int) -> ReportBuilder:
        """A builder like the container's, with these bounds, or on these frames."""
        container = self.container
        most_readings = container.settings().reporting.max_readings_per_report
        return ReportBuilder(
            frames=frames or container.readings.log(),
            requests=container.streams.request_index(),
            model=container.simulator(),
            due_reports=container.delivery.due_reports(),
            interval_reports=container.delivery.interval_reports(),
            new_readings=NewReadings(
                arrivals=container.intake.arrivals(), energy=container.intake.energy()
            ),
            clock=self.clock,
            limits=SizeLimits(**{"most_readings": most_readings, **limits}),
            correct_every=container.settings().intake.correct_every,
            corrects=container.settings().intake.corrects,
        )

    def restart(self) -> None:
        """What is owed is read from the database again, and built anew."""
        for name in RESTARTED:
            provider(self.container, name).reset()

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.advance(seconds=30)
            self.container.simulator().increase_time()

    def wait_out_holds(self) -> None:
        """Until every VEN that is held may be tried again."""
        self.clock.advance(seconds=MAX_PAUSE_S)

    def ask(self, *descriptors: dict[str, Any], **event: Any) -> str:
        """Create an event that asks for these reports, instead of the one that is there."""
        for known in self.vtn.store.select("EVENT"):
            self.vtn.store.remove("EVENT", known["id"])
        (program,) = self.vtn.store.select("PROGRAM")
        body = {"programID": program["id"], "reportDescriptors": list(descriptors), **event}
        return str(self.vtn.store.add("EVENT", body, parent=program["id"])["id"])

    def reports(self) -> list[dict[str, Any]]:
        return self.vtn.store.select("REPORT", limit=100_000)

    def double_reports(self, *, of: Collection[str] = SAMPLE) -> None:
        """Let the VTN do the work of every report of these VENs a second time."""
        for report in self.reports():
            if report["clientName"] not in of:
                continue
            owner, event_id = report["clientID"], report["eventID"]
            self.vtn.store.add("REPORT", report, client_id=owner, parent=event_id)

    def readings(self, payload_type: str = "READING") -> Counter[tuple[str, str]]:
        """How often the VTN has each (resource, instant)."""
        return Counter(
            (resource["resourceName"], interval["intervalPeriod"]["start"])
            for report in self.reports()
            for resource in report["resources"]
            for interval in resource["intervals"]
            for payload in interval["payloads"]
            if payload["type"] == payload_type
        )

    def assert_each_once(self, count: int, payload_type: str = "READING") -> None:
        found = self.readings(payload_type)
        assert set(found.values()) <= {1}
        assert len(found) == count
