"""A fleet at the embedded VTN, with events of our own writing that do what the guide describes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.openapi import OpenApi, official_file
from tests.support.workbench import Bench


@pytest.fixture(scope="session")
def official() -> OpenApi | None:
    """The judge of what these tests send; None where the file is not there and not required."""
    try:
        return OpenApi(official_file())
    except pytest.skip.Exception:
        return None


class Guide(Bench):
    """A bench that speaks as business logic does, and reads what VENs did."""

    official: OpenApi | None

    def program(self, **fields: Any) -> str:
        """A program, valid against the official file; its id."""
        body = {"programName": f"program-{len(self.vtn.store.select('PROGRAM'))}", **fields}
        self._judge("programRequest", body)
        return str(self.vtn.store.add("PROGRAM", body, name=body["programName"])["id"])

    def _judge(self, schema: str, body: dict[str, Any]) -> None:
        """What a test writes is what the official file allows."""
        if self.official is not None:
            assert self.official.body_errors(schema, body) == []

    def send(self, *, program_id: str | None = None, **event: Any) -> str:
        """An event, valid against the official file; every VEN learns of it."""
        program_id = program_id or self.vtn.store.select("PROGRAM")[0]["id"]
        body = {"programID": program_id, **event}
        self._judge("eventRequest", body)
        event_id = str(self.vtn.store.add("EVENT", body, parent=program_id)["id"])
        self.manager.poll_events()
        return event_id

    def update(self, event_id: str, **event: Any) -> None:
        """PUT the event."""
        old = self.vtn.store.get("EVENT", event_id)
        assert old is not None
        body = {"programID": old["programID"], **event}
        self._judge("eventRequest", body)
        self.vtn.store.replace("EVENT", old, body)
        self.manager.poll_events()

    def pass_time(self, *, ticks: int, tick_s: float = 30.0) -> None:
        """Meter and report, tick by tick."""
        for _ in range(ticks):
            self.clock.advance(seconds=tick_s)
            self.container.simulator().increase_time()
            self.manager.generate_reports()

    def until(self, instant: datetime, tick_s: float = 30.0) -> None:
        """The same, until the clock shows this instant."""
        while self.clock.now < instant:
            self.pass_time(ticks=1, tick_s=min(tick_s, (instant - self.clock.now).total_seconds()))

    def power_kw(self, kind: str, ven_name: str = "") -> float:
        """What all resources of a kind take now."""
        frame = self.container.readings.log().last()
        assert frame is not None
        return float(
            sum(
                power
                for ven, names in frame.roster
                for name, power in zip(
                    names, frame.power_kw[frame.roster.columns(ven)], strict=True
                )
                if kind in name and ven.startswith(ven_name)
            )
        )

    def reports_of(
        self, event_id: str, payload_type: str, ven_name: str = "Aarhus"
    ) -> list[dict[str, Any]]:
        """The reports of one VEN to an event that hold this type, oldest first."""
        return [
            report
            for report in self.reports()
            if report["eventID"] == event_id
            and report["clientName"] == ven_name
            and report["payloadDescriptors"][0]["payloadType"] == payload_type
        ]


def ids(report: dict[str, Any]) -> list[int]:
    """The interval ids of its first resource."""
    return [each["id"] for each in report["resources"][0]["intervals"]]


def spans(report: dict[str, Any]) -> list[tuple[str, str]]:
    """(start, duration) of the intervals of its first resource."""
    return [
        (each["intervalPeriod"]["start"], each["intervalPeriod"]["duration"])
        for each in report["resources"][0]["intervals"]
    ]


def values(report: dict[str, Any], resource: int = 0) -> list[Any]:
    """The first value of each interval of one of its resources."""
    return [each["payloads"][0]["values"][0] for each in report["resources"][resource]["intervals"]]


def stamp(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def period(start: datetime, duration: str, **more: str) -> dict[str, str]:
    return {"start": start.isoformat(), "duration": duration, **more}


def prices(*amounts: float, kind: str = "PRICE") -> list[dict[str, Any]]:
    """Intervals of one payload each."""
    return [
        {"id": number, "payloads": [{"type": kind, "values": [amount]}]}
        for number, amount in enumerate(amounts)
    ]


MakeGuide = Callable[..., Guide]


@pytest.fixture(params=["3.1.0", "3.0.1"])
def api_version(request: pytest.FixtureRequest) -> str:
    """Both dialects, but for what 3.0.1 has not (`@of_310`)."""
    if request.param == "3.0.1" and request.node.get_closest_marker("of_310"):
        pytest.skip("3.0.1 has no such thing")
    return str(request.param)


@pytest.fixture
def make_guide(
    vtn: EmbeddedVtn,
    make_container: MakeContainer,
    clock: FakeClock,
    official: OpenApi | None,
    api_version: str,
) -> MakeGuide:
    def make(*, resources_per_ven: int = 8, **settings: Any) -> Guide:
        container = make_container(
            vtn={
                "embedded_port": vtn.port,
                "api_version": api_version,
            },
            **settings,
        )
        guide = Guide(container, vtn, clock)
        guide.official = official
        guide.enrol(vens=2, resources_per_ven=resources_per_ven)
        for event in vtn.store.select("EVENT"):
            vtn.store.remove("EVENT", event["id"])
        guide.manager.poll_events()
        guide.tick()
        return guide

    return make


@pytest.fixture
def guide(make_guide: MakeGuide) -> Guide:
    return make_guide()


of_310 = pytest.mark.of_310
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
