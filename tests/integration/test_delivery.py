"""From a tick to the VTN: every reading once, whatever happens in between."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from app.fleet import Status, sample_fleet
from app.openadr import Event
from app.reporting import ReportDesk
from app.vtn import EmbeddedVtn
from containers import Container
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.sessions import FaultySession

VENS, RESOURCES = 3, 4
TICK = VENS * RESOURCES


class Bench:
    """A fleet at an embedded VTN, with time and faults in the test's hands."""

    def __init__(self, container: Container, vtn: EmbeddedVtn, clock: FakeClock) -> None:
        self.container = container
        self.vtn = vtn
        self.clock = clock
        self.session = FaultySession(vtn.base_url)
        container.clock.override(clock)
        container.http_session.override(self.session)

    @property
    def manager(self) -> Any:
        return self.container.ven_manager()

    def replace(self, provider: str, stand_in: object) -> None:
        """Let the manager be built again, with this in the provider's place."""
        getattr(self.container, provider).override(stand_in)
        self.container.ven_manager.reset()

    def tick(self, count: int = 1) -> None:
        for _ in range(count):
            self.clock.advance(seconds=30)
            self.container.simulator().increase_time()

    def ask(self, *descriptors: dict[str, Any], **event: Any) -> str:
        """Create an event that asks for these reports, instead of the one that is there."""
        for known in self.vtn.store.select("EVENT"):
            self.vtn.store.remove("EVENT", known["id"])
        (program,) = self.vtn.store.select("PROGRAM")
        body = {"programID": program["id"], "reportDescriptors": list(descriptors), **event}
        return str(self.vtn.store.add("EVENT", body, parent=program["id"])["id"])

    def reports(self) -> list[dict[str, Any]]:
        return self.vtn.store.select("REPORT", limit=100_000)

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


@pytest.fixture
def bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    container = make_container(vtn={"embedded_port": int(vtn.base_url.rsplit(":", 1)[1])})
    made = Bench(container, vtn, clock)
    container.repository().save(sample_fleet(vens=VENS, resources_per_ven=RESOURCES))
    made.manager.enrol()
    return made


def test_a_tick_is_one_report_per_ven_with_all_its_resources(bench: Bench) -> None:
    bench.tick()

    assert bench.manager.generate_reports() == TICK

    assert len(bench.reports()) == VENS
    bench.assert_each_once(TICK)
    assert {report["clientName"] for report in bench.reports()} == {"Aalborg", "Aarhus", "Esbjerg"}


def test_nothing_new_is_nothing_sent(bench: Bench) -> None:
    bench.tick()
    bench.manager.generate_reports()

    assert bench.manager.generate_reports() == 0
    assert len(bench.reports()) == VENS


def test_several_ticks_go_into_one_report_oldest_first(bench: Bench) -> None:
    bench.tick(3)

    assert bench.manager.generate_reports() == 3 * TICK

    assert len(bench.reports()) == VENS
    for report in bench.reports():
        for resource in report["resources"]:
            starts = [each["intervalPeriod"]["start"] for each in resource["intervals"]]
            assert starts == sorted(starts)
            assert [each["id"] for each in resource["intervals"]] == [0, 1, 2]


def test_readings_from_before_the_first_poll_are_reported(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    container = make_container(vtn={"embedded_port": int(vtn.base_url.rsplit(":", 1)[1])})
    bench = Bench(container, vtn, clock)
    bench.ask()
    container.repository().save(sample_fleet(vens=VENS, resources_per_ven=RESOURCES))
    bench.manager.enrol()
    bench.tick(2)
    assert bench.manager.generate_reports() == 0

    bench.ask({"payloadType": "READING"})
    bench.manager.poll_events()

    assert bench.manager.generate_reports() == 2 * TICK


def test_unasked_readings_are_kept_for_an_hour_and_said_once_per_ven(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ask()
    bench.manager.poll_events()
    with caplog.at_level(logging.INFO, logger="app"):
        for _ in range(130):
            bench.tick()
            bench.manager.generate_reports()

    frames = bench.container.frames().since(0, most_bytes=1 << 30)
    assert bench.clock.now - frames[0].taken_at <= timedelta(hours=1)
    assert len(frames) >= 119
    assert caplog.text.count("VEN Aarhus: no event asks for its readings") == 1


def test_what_was_delivered_is_removed(bench: Bench) -> None:
    for _ in range(5):
        bench.tick()
        bench.manager.generate_reports()

    assert len(bench.container.frames().since(0, most_bytes=1 << 30)) == 1


def test_two_streams_over_the_same_readings_get_each_theirs(bench: Bench) -> None:
    bench.ask({"payloadType": "READING"}, {"payloadType": "USAGE"}, {"payloadType": "DEMAND"})
    bench.manager.poll_events()
    bench.tick(4)

    bench.manager.generate_reports()

    bench.assert_each_once(4 * TICK, "READING")
    bench.assert_each_once(3 * TICK, "USAGE")
    bench.assert_each_once(3 * TICK, "DEMAND")


def test_usage_goes_on_across_deliveries_without_a_gap(bench: Bench) -> None:
    bench.ask({"payloadType": "USAGE"})
    bench.manager.poll_events()
    for _ in range(4):
        bench.tick()
        bench.manager.generate_reports()

    bench.assert_each_once(3 * TICK, "USAGE")


def test_a_repeat_of_two_is_two_reports(bench: Bench) -> None:
    bench.ask({"payloadType": "READING", "repeat": 2})
    bench.manager.poll_events()
    for _ in range(4):
        bench.tick()
        bench.manager.generate_reports()
        bench.manager.poll_events()

    assert len(bench.reports()) == 2 * VENS


def test_an_event_that_is_gone_asks_for_nothing_more(bench: Bench) -> None:
    bench.tick()
    bench.manager.generate_reports()
    bench.ask()
    bench.manager.poll_events()
    bench.tick()

    assert bench.manager.generate_reports() == 0
    assert bench.container.ledger().streams() == []


def test_an_event_begins_with_its_start(bench: Bench) -> None:
    bench.ask()
    bench.manager.poll_events()
    bench.tick(2)
    start = bench.clock.now + timedelta(seconds=15)
    event = {"intervalPeriod": {"start": start.isoformat()}}
    bench.ask({"payloadType": "READING", "frequency": 0}, **event)
    bench.manager.poll_events()
    bench.tick(3)
    bench.manager.poll_events()

    assert bench.manager.generate_reports() == 3 * TICK


def test_implied_intervals_are_left_with_one_line(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    period = {"start": bench.clock.now.isoformat(), "duration": "PT1H"}
    with caplog.at_level(logging.INFO, logger="app"):
        bench.ask({"payloadType": "USAGE"}, intervalPeriod=period)
        for _ in range(3):
            bench.manager.poll_events()

    assert caplog.text.count("USAGE on implied intervals") == 1


FAULTS: list[list[str | int]] = [
    ["lost answer"],
    ["lost request"],
    ["lost answer"] * VENS,
    ["lost request"] * VENS,
    [500],
    [503] * VENS,
    [400],
    [401, 401],
    [404],
    [422] * VENS,
    [429] * 3,
    ["lost answer", 500, "lost request", 400, "lost answer", 500],
]


@pytest.mark.parametrize("faults", FAULTS, ids=str)
def test_every_reading_arrives_once_whatever_happens_to_its_report(
    bench: Bench, faults: Iterable[str | int]
) -> None:
    bench.session.faults.extend(faults)
    for _ in range(5):
        bench.tick()
        bench.manager.generate_reports()
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()

    bench.assert_each_once(5 * TICK)
    assert bench.container.report_desk().waiting() == 0


def test_not_found_right_after_a_lost_request_proves_nothing(bench: Bench) -> None:
    bench.session.faults.extend(["lost request"] * VENS)
    bench.tick()
    bench.manager.generate_reports()

    assert bench.manager.generate_reports() == 0, "the VTN may still be at work"

    bench.clock.advance(seconds=31)
    assert bench.manager.generate_reports() == TICK


def test_a_crash_between_sending_and_remembering_doubles_nothing(
    bench: Bench, make_container: MakeContainer
) -> None:
    """The process ends after the VTN took the reports and before their answers were stored."""
    bench.tick()
    bench.session.faults.extend(["lost answer"] * VENS)
    bench.manager.generate_reports()
    bench.container.database().close()

    settings = {"embedded_port": int(bench.vtn.base_url.rsplit(":", 1)[1])}
    restarted = Bench(make_container(vtn=settings), bench.vtn, bench.clock)
    restarted.tick()
    restarted.manager.generate_reports()

    restarted.assert_each_once(2 * TICK)


def desk(bench: Bench, **bounds: int) -> ReportDesk:
    container = bench.container
    return ReportDesk(
        frames=container.frames(),
        ledger=container.ledger(),
        clock=bench.clock,
        stopping=container.stopping(),
        max_workers=2,
        **bounds,
    )


@pytest.mark.parametrize(
    "bounds", [{"most_readings": 3}, {"most_readings": 8}, {"most_bytes": 700}]
)
def test_reports_are_of_bounded_size_and_nothing_is_lost_between_them(
    bench: Bench, bounds: dict[str, int]
) -> None:
    bench.replace("report_desk", desk(bench, **bounds))
    bench.tick(3)
    bench.session.faults.extend(["ok", "lost answer", "ok", 500])
    bench.manager.generate_reports()
    for _ in range(3):
        bench.clock.advance(minutes=1)
        bench.manager.generate_reports()

    bench.assert_each_once(3 * TICK)
    for report in bench.reports():
        readings = sum(len(resource["intervals"]) for resource in report["resources"])
        assert readings <= bounds.get("most_readings", 4)


def test_a_body_that_is_too_large_is_made_smaller(bench: Bench) -> None:
    big = sample_fleet(vens=1, resources_per_ven=300)
    bench.container.repository().save(big)
    bench.manager.enrol()
    bench.tick()
    bench.session.largest_body_bytes = 20_000

    assert bench.manager.generate_reports() == 300 + 2 * RESOURCES

    assert len(bench.reports()) >= 4
    bench.assert_each_once(300 + 2 * RESOURCES)


def test_readings_of_a_resource_that_is_suspended_later_are_still_sent(bench: Bench) -> None:
    bench.tick()
    name = sample_fleet(vens=1, resources_per_ven=1)["Aalborg"][0].resource_name
    bench.container.repository().set_status("Aalborg", name, Status.SUSPENDED)
    bench.tick()

    assert bench.manager.generate_reports() == 2 * TICK - 1


def test_a_change_of_the_roster_breaks_no_usage(bench: Bench) -> None:
    bench.ask({"payloadType": "USAGE"})
    bench.manager.poll_events()
    bench.tick(2)
    name = sample_fleet(vens=1, resources_per_ven=1)["Aalborg"][0].resource_name
    bench.container.repository().set_status("Aalborg", name, Status.SUSPENDED)
    bench.tick()
    bench.container.repository().set_status("Aalborg", name, Status.APPROVED)
    bench.tick()

    bench.manager.generate_reports()

    assert bench.readings("USAGE").total() == 3 * TICK - 2


def test_what_waits_is_counted(bench: Bench) -> None:
    bench.session.faults.extend([503] * VENS)
    bench.tick(2)
    bench.manager.generate_reports()

    assert bench.container.report_desk().waiting() == 2 * TICK


def test_a_problem_is_said_when_it_begins_and_when_it_ends(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.session.faults.extend([400] * VENS * 3)
    with caplog.at_level(logging.INFO, logger="app"):
        for _ in range(4):
            bench.tick()
            bench.manager.generate_reports()

    assert caplog.text.count("reports wait, and lose nothing") == 1
    assert caplog.text.count("reports are delivered again") == 1
    assert "Traceback" not in caplog.text


class FakeEvents:
    """A feed of events that a test writes."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def sync(self, ven_name: str, client: object) -> list[Event]:
        del ven_name, client
        return self.events


def test_a_manager_takes_events_from_whatever_feeds_them(bench: Bench) -> None:
    feed = FakeEvents()
    bench.replace("events", feed)
    bench.manager.poll_events()
    bench.tick()

    assert bench.manager.generate_reports() == 0


@pytest.mark.parametrize("status", [429, 408, 400, 403])
def test_one_ven_that_is_refused_holds_no_other_one(bench: Bench, status: int) -> None:
    bench.session.refused["Aalborg"] = status

    for _ in range(3):
        bench.tick()
        bench.manager.generate_reports()

    others = {report["clientName"] for report in bench.reports()}
    assert others == {"Aarhus", "Esbjerg"}
    assert bench.container.report_desk().waiting() == 3 * RESOURCES


def test_a_stream_whose_event_comes_back_goes_on_where_it_was(bench: Bench) -> None:
    bench.tick()
    bench.manager.generate_reports()
    (event,) = bench.vtn.store.select("EVENT")
    asked = event["reportDescriptors"]
    bench.vtn.store.replace("EVENT", event, {**event, "reportDescriptors": []})
    bench.manager.poll_events()
    bench.tick()
    assert bench.manager.generate_reports() == 0

    bench.vtn.store.replace("EVENT", event, {**event, "reportDescriptors": asked})
    bench.manager.poll_events()
    bench.tick()

    assert bench.manager.generate_reports() == 2 * TICK
    bench.assert_each_once(3 * TICK)


def test_a_report_that_is_found_too_large_after_an_unseen_outcome_is_made_smaller(
    bench: Bench,
) -> None:
    bench.container.repository().save(sample_fleet(vens=1, resources_per_ven=300))
    bench.manager.enrol()
    bench.tick()
    bench.session.faults.extend(["lost request"] * VENS)
    bench.manager.generate_reports()
    bench.session.largest_body_bytes = 20_000
    bench.clock.advance(minutes=1)

    bench.manager.generate_reports()

    bench.assert_each_once(300 + 2 * RESOURCES)


def test_a_stream_that_ended_while_its_report_was_sent_stays_ended(bench: Bench) -> None:
    ledger = bench.container.ledger()
    stream = ledger.streams()[0]
    ledger.end([stream])

    ledger.change([stream])

    assert stream.stream_id not in {each.stream_id for each in ledger.streams()}


def test_readings_of_a_ven_whose_events_are_not_known_yet_are_kept(
    bench: Bench, make_container: MakeContainer
) -> None:
    bench.ask()
    bench.manager.poll_events()
    settings = {"embedded_port": int(bench.vtn.base_url.rsplit(":", 1)[1])}
    restarted = Bench(make_container(vtn=settings), bench.vtn, bench.clock)
    for _ in range(130):
        restarted.tick()
    restarted.manager.generate_reports()

    assert len(restarted.container.frames().since(0, most_bytes=1 << 30)) == 130
