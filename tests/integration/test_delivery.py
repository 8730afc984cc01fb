"""From a tick to the VTN: who gets which readings in which report, each once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

import pytest

from app.events import PushOutcome, SeenEvent
from app.fleet import VEN, Status, sample_fleet
from app.openadr import Event
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.workbench import RESOURCES, TICK, VENS, Bench

pytestmark = pytest.mark.in_process


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


def test_a_new_stream_begins_when_its_event_is_first_seen(bench: Bench) -> None:
    bench.ask()
    bench.manager.poll_events()
    bench.tick(2)
    bench.ask({"payloadType": "READING"})
    bench.clock.advance(seconds=1)
    bench.manager.poll_events()
    bench.tick()

    assert bench.manager.generate_reports() == TICK


def test_an_event_that_asks_for_history_gets_what_is_kept(bench: Bench) -> None:
    bench.ask()
    bench.manager.poll_events()
    bench.tick(2)
    bench.ask({"payloadType": "READING", "startInterval": 0})
    bench.manager.poll_events()

    assert bench.manager.generate_reports() == 2 * TICK


def test_history_goes_back_no_further_than_the_start_of_the_event(bench: Bench) -> None:
    bench.ask()
    bench.manager.poll_events()
    bench.tick(2)
    period = {"start": bench.clock.now.isoformat(), "duration": "P9999Y"}
    bench.tick(2)
    descriptor = {"payloadType": "READING", "startInterval": 0, "frequency": 0}
    bench.ask(descriptor, intervalPeriod=period)
    bench.manager.poll_events()

    assert bench.manager.generate_reports() == 3 * TICK


def test_unasked_readings_are_kept_for_an_hour_and_said_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.ask()
    bench.manager.poll_events()
    with caplog.at_level(logging.INFO, logger="app"):
        for _ in range(130):
            bench.tick()
            bench.manager.generate_reports()

    frames = bench.container.readings.log().since(0, most_bytes=1 << 30)
    assert bench.clock.now - frames[0].taken_at <= timedelta(hours=1)
    assert len(frames) >= 119
    assert caplog.text.count("no event requests the readings of 3 VENs (Aalborg, …)") == 1


def test_what_was_delivered_is_removed(bench: Bench) -> None:
    for _ in range(12):
        bench.tick()
        bench.manager.generate_reports()

    frames = bench.container.readings.log().since(0, most_bytes=1 << 30)
    assert len(frames) == 5, "two minutes, for events that are seen late"


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
    assert bench.container.streams.store().open_streams() == []


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


def test_what_cannot_be_reported_is_left_with_one_line(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="app"):
        bench.ask({"payloadType": "READING", "units": "VOLTS"})
        for _ in range(3):
            bench.manager.poll_events()

    assert caplog.text.count("units VOLTS, aggregate False) cannot be reported") == 1


def test_a_ven_with_more_resources_than_a_report_may_hold_sends_several(
    vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> None:
    port = vtn.port
    container = make_container(
        vtn={"embedded_port": port}, reporting={"max_readings_per_report": 7}
    )
    bench = Bench(container, vtn, clock)
    bench.enrol(vens=1, resources_per_ven=20)

    bench.tick()
    bench.manager.generate_reports()

    assert len(bench.transport.of("POST", "/reports")) == 3
    bench.assert_each_once(20)


@pytest.mark.parametrize(
    "bounds", [{"most_readings": 3}, {"most_readings": 8}, {"most_bytes": 700}]
)
def test_reports_are_of_bounded_size_and_nothing_is_lost_between_them(
    bench: Bench, bounds: dict[str, int]
) -> None:
    bench.replace("delivery.builder", bench.builder(**bounds))
    bench.tick(3)
    bench.transport.faults.extend(["ok", "lost answer", "ok", 500])
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
    bench.container.fleet.repository().save(big)
    bench.manager.enrol()
    bench.tick()
    bench.transport.largest_body_bytes = 20_000

    assert bench.manager.generate_reports() == 300 + 2 * RESOURCES

    assert len(bench.reports()) >= 4
    bench.assert_each_once(300 + 2 * RESOURCES)


def test_readings_of_a_resource_that_is_suspended_later_are_still_sent(bench: Bench) -> None:
    bench.tick()
    name = sample_fleet(vens=1, resources_per_ven=1)["Aalborg"][0].resource_name
    bench.container.fleet.repository().set_status("Aalborg", name, Status.SUSPENDED)
    bench.tick()

    assert bench.manager.generate_reports() == 2 * TICK - 1


def test_a_change_of_the_roster_breaks_no_usage(bench: Bench) -> None:
    bench.ask({"payloadType": "USAGE"})
    bench.manager.poll_events()
    bench.tick(2)
    name = sample_fleet(vens=1, resources_per_ven=1)["Aalborg"][0].resource_name
    bench.container.fleet.repository().set_status("Aalborg", name, Status.SUSPENDED)
    bench.tick()
    bench.container.fleet.repository().set_status("Aalborg", name, Status.APPROVED)
    bench.tick()

    bench.manager.generate_reports()

    assert bench.readings("USAGE").total() == 3 * TICK - 2


def test_what_waits_is_counted(bench: Bench) -> None:
    bench.transport.faults.extend([503] * VENS)
    bench.tick(2)
    bench.manager.generate_reports()

    assert bench.container.delivery.service().waiting() == 2 * TICK


def test_a_problem_is_said_when_it_begins_and_when_it_ends(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.transport.faults.extend([404] * VENS * 3)
    with caplog.at_level(logging.INFO, logger="app"):
        for _ in range(4):
            bench.tick()
            bench.manager.generate_reports()

    assert caplog.text.count("its reports are held and retried") == VENS
    assert caplog.text.count("its reports have recovered") == VENS
    assert "Traceback" not in caplog.text


class FakeEvents:
    """A feed of events that a test writes."""

    def __init__(self) -> None:
        self.events: list[SeenEvent] = []

    def sync(self, ven: VEN, client: object) -> list[SeenEvent]:
        del client
        return self.of_ven(ven.ven_name)

    def of_ven(self, ven_name: str) -> list[SeenEvent]:
        del ven_name
        return self.events

    def forget(self, ven_name: str) -> None:
        del ven_name

    def apply_pushed(self, pushed: Sequence[tuple[str, Event]]) -> list[PushOutcome]:
        raise AssertionError(f"nothing is pushed: {pushed}")

    def apply_deleted(self, ven_names: Sequence[str], event_id: str) -> list[str]:
        raise AssertionError(f"nothing is pushed: {event_id} to {ven_names}")


def test_a_manager_takes_events_from_whatever_feeds_them(bench: Bench) -> None:
    feed = FakeEvents()
    bench.replace("events.store", feed)
    bench.manager.poll_events()
    bench.tick()

    assert bench.manager.generate_reports() == 0


def test_two_reports_of_one_span_are_both_sent(bench: Bench) -> None:
    """Intervals that an event lays beside each other: their reports have the same name."""
    bench.tick(4)
    period = {"start": bench.clock.now.isoformat(), "duration": "PT2M"}
    each_interval = {"frequency": 1, "numIntervals": 1, "startInterval": 0, "repeat": -1}
    bench.ask(
        {"payloadType": "USAGE", **each_interval},
        intervals=[
            {
                "id": number,
                "intervalPeriod": period,
                "payloads": [{"type": "SIMPLE", "values": [1]}],
            }
            for number in range(2)
        ],
    )
    bench.clock.advance(seconds=1)
    bench.manager.poll_events()
    bench.tick(6)
    bench.manager.generate_reports()

    assert len(bench.reports()) == 2 * VENS
    assert all(stream.in_flight is None for stream in bench.container.streams.store().streams())
