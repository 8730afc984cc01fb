"""What is owed as events come and go: heirs, expiry, and streams that come back."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta

import pytest

from app.fleet import Status
from tests.support.fakes import resource
from tests.support.workbench import SAMPLE, TICK, Bench

pytestmark = pytest.mark.in_process

READING = {"payloadType": "READING", "frequency": 0}
USAGE = {**READING, "payloadType": "USAGE"}


@pytest.fixture
def bench(bench: Bench) -> Bench:
    """One event that asks for readings; one tick of it is delivered, two are not."""
    bench.ask(READING)
    bench.manager.poll_events()
    bench.tick()
    bench.manager.generate_reports()
    bench.tick(2)
    return bench


def replace_event(bench: Bench, *descriptors: dict[str, object]) -> str:
    """Delete the event; if descriptors are given, another one that asks for these comes."""
    event_id = bench.ask(*descriptors)
    bench.clock.advance(seconds=1)
    bench.manager.poll_events()
    return event_id


def by_event(bench: Bench) -> dict[str, int]:
    """How many readings the VTN has of each event."""
    found: dict[str, int] = {}
    for report in bench.reports():
        count = sum(len(resource["intervals"]) for resource in report["resources"])
        found[report["eventID"]] = found.get(report["eventID"], 0) + count
    return found


def test_the_unsent_span_of_a_deleted_event_passes_to_the_next_one_that_asks_for_the_same(
    bench: Bench,
) -> None:
    second = replace_event(bench, READING)
    bench.tick()

    assert bench.manager.generate_reports() == 3 * TICK
    bench.assert_each_once(4 * TICK)
    assert by_event(bench)[second] == 3 * TICK
    assert bench.waiting() == 0


def test_the_next_event_may_come_a_while_later(bench: Bench) -> None:
    replace_event(bench)
    bench.manager.generate_reports()
    bench.tick(10)
    replace_event(bench, READING)

    bench.manager.generate_reports()

    bench.assert_each_once(3 * TICK)


def test_an_event_that_asks_for_something_else_takes_nothing_over(bench: Bench) -> None:
    second = replace_event(bench, USAGE)

    bench.manager.generate_reports()

    assert second not in by_event(bench)
    assert bench.waiting() == 2 * TICK


def test_an_event_that_asked_for_the_same_all_along_gets_nothing_twice(bench: Bench) -> None:
    (first,) = bench.vtn.store.select("EVENT")
    both = {"programID": first["programID"], "reportDescriptors": [READING]}
    bench.vtn.store.add("EVENT", both, parent=first["programID"])
    bench.manager.poll_events()
    bench.tick()
    bench.vtn.store.remove("EVENT", first["id"])
    bench.manager.poll_events()

    bench.manager.generate_reports()

    bench.assert_each_once(4 * TICK)


def test_a_span_that_nobody_asks_for_expires_and_is_counted(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    replace_event(bench)
    bench.manager.generate_reports()
    bench.clock.advance(hours=1)
    with caplog.at_level(logging.WARNING, logger="app"):
        bench.manager.generate_reports()

    assert bench.container.streams.losses().all() == {"expired": 2 * TICK}
    assert "24 readings expired, since no event requests them any more" in caplog.text
    assert bench.waiting() == 0
    bench.tick()
    bench.manager.generate_reports()
    bench.manager.generate_reports()
    assert bench.container.streams.store().streams() == [], "what is gone for good is forgotten"


def test_an_heir_whose_event_is_deleted_passes_on_what_it_had(bench: Bench) -> None:
    replace_event(bench, READING)
    bench.transport.refused.update({"Aarhus": 403})
    bench.manager.generate_reports()
    bench.transport.refused.clear()
    replace_event(bench, READING)
    bench.wait_out_holds()

    bench.manager.generate_reports()

    bench.assert_each_once(3 * TICK)
    bench.manager.generate_reports()
    assert all(
        not stream.inherited_from for stream in bench.container.streams.store().open_streams()
    )


def test_a_restart_between_the_end_of_an_event_and_its_heir_loses_nothing(bench: Bench) -> None:
    bench.transport.faults.extend([404] * 3)
    replace_event(bench, READING)
    bench.restart()
    bench.manager.poll_events()

    bench.manager.generate_reports()
    bench.wait_out_holds()
    bench.manager.generate_reports()

    bench.assert_each_once(3 * TICK)


def test_a_report_to_an_event_that_is_gone_is_held_until_the_poll_knows_it(bench: Bench) -> None:
    second = bench.ask(READING)

    assert bench.manager.generate_reports() == 0, "409: the event is gone, and nobody knew"
    assert "is gone" in bench.container.delivery.service().blocked[0]

    bench.clock.advance(seconds=1)
    bench.manager.poll_events()
    assert bench.manager.generate_reports() == 2 * TICK
    assert by_event(bench)[second] == 2 * TICK


def test_what_changes_about_the_fleet_does_not_change_readings_already_taken(bench: Bench) -> None:
    repository = bench.container.fleet.repository()
    ven_name, suspended = next(repository.resources())
    repository.set_status(ven_name, suspended.resource_name, Status.SUSPENDED)
    repository.save({ven_name: [resource("one-more")]})
    bench.tick()

    bench.manager.generate_reports()

    found = Counter(name for name, _ in bench.readings())
    assert found[suspended.resource_name] == 3
    assert found["one-more"] == 1
    assert sum(found.values()) == 4 * TICK
    assert bench.waiting() == 0


def test_frames_wait_for_an_ended_stream_no_longer_than_it_may_find_an_heir(bench: Bench) -> None:
    replace_event(bench)
    for _ in range(130):
        bench.tick()
        bench.manager.generate_reports()

    oldest = bench.container.readings.log().since(0, most_bytes=1 << 30)[0]
    assert bench.clock.now - oldest.taken_at <= timedelta(hours=1)


def test_a_report_in_doubt_is_looked_up_before_its_span_passes_to_another_event(
    bench: Bench,
) -> None:
    bench.transport.faults.extend(["lost answer"] * 3)
    bench.transport.lookup_status = 401
    bench.manager.generate_reports()
    bench.transport.lookup_status = 0
    bench.clock.advance(minutes=2)
    replace_event(bench, READING)

    bench.manager.generate_reports()
    bench.manager.generate_reports()

    bench.assert_each_once(3 * TICK)


def test_a_report_in_doubt_that_never_came_passes_to_another_event(bench: Bench) -> None:
    bench.transport.faults.extend(["lost request"] * 3)
    bench.manager.generate_reports()
    bench.clock.advance(minutes=2)
    second = replace_event(bench, READING)

    bench.manager.generate_reports()
    bench.manager.generate_reports()

    bench.assert_each_once(3 * TICK)
    assert by_event(bench)[second] == 2 * TICK


def test_an_event_that_starts_later_gets_all_from_its_start_however_late_the_next_poll(
    bench: Bench,
) -> None:
    (program,) = bench.vtn.store.select("PROGRAM")
    start = (bench.clock.now + timedelta(seconds=95)).isoformat()
    later = {
        "programID": program["id"],
        "reportDescriptors": [USAGE],
        "intervalPeriod": {"start": start, "duration": "PT24H"},
    }
    bench.vtn.store.add("EVENT", later, parent=program["id"])
    bench.manager.poll_events()
    for _ in range(10):
        bench.tick()
        bench.manager.generate_reports()

    # The fourth tick ends the interval in which the event starts.
    bench.assert_each_once(7 * TICK, "USAGE")


def test_readings_of_a_ven_whose_events_cannot_be_read_hold_no_frames_for_ever(
    bench: Bench,
) -> None:
    store = bench.container.streams.store()
    store.apply(forget=store.of_ven("Aarhus"))
    bench.restart()
    for _ in range(130):
        bench.tick()
        bench.manager.generate_reports()

    assert len(bench.container.readings.log().since(0, most_bytes=1 << 30)) <= 121


def test_an_event_that_comes_and_goes_leaves_all_that_it_owed_to_others(bench: Bench) -> None:
    """Its spans pass on twice, to the same event, while nothing can be delivered."""
    (event,) = bench.vtn.store.select("EVENT")
    program_id = event["programID"]
    body = {"programID": program_id, "reportDescriptors": [READING]}
    bench.transport.refused.update(dict.fromkeys(SAMPLE, 403))
    second: str | None = None
    for _ in range(2):
        bench.vtn.store.remove("EVENT", event["id"])
        bench.manager.poll_events()
        if second is None:
            bench.tick(2)
            bench.clock.advance(seconds=1)
            second = bench.vtn.store.add("EVENT", body, parent=program_id)["id"]
            bench.manager.poll_events()
        bench.manager.generate_reports()
        bench.vtn.store.add("EVENT", body, parent=program_id, object_id=event["id"])
        bench.manager.poll_events()
        bench.tick(1)
    bench.transport.refused.clear()
    for _ in range(3):
        bench.clock.advance(minutes=1)
        bench.manager.generate_reports()

    assert bench.waiting() == 0
    assert bench.container.streams.losses().all() == {}
    assert len(bench.readings()) == 7 * TICK
