"""Every reading arrives once, whatever happens to its report on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from app.platform import DatabaseError
from app.readings import Frame
from app.reporting.streams import TelemetryStream
from tests.conftest import MakeContainer
from tests.support.wiring import provider
from tests.support.workbench import RESOURCES, TICK, VENS, Bench

pytestmark = pytest.mark.in_process

FAULTS: list[list[str | int]] = [
    ["lost answer"],
    ["lost request"],
    ["lost answer"] * VENS,
    ["lost request"] * VENS,
    [500],
    [503] * VENS,
    [403],
    [401, 401],
    [404],
    [408] * VENS,
    [429] * 3,
    ["lost answer", 500, "lost request", 401, "lost answer", 500],
]


@pytest.mark.parametrize("faults", FAULTS, ids=str)
def test_every_reading_arrives_once_whatever_happens_to_its_report(
    bench: Bench, faults: Iterable[str | int]
) -> None:
    bench.transport.faults.extend(faults)
    for _ in range(5):
        bench.tick()
        bench.manager.generate_reports()
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()

    bench.assert_each_once(5 * TICK)
    assert bench.container.delivery.service().waiting() == 0


def test_not_found_right_after_a_lost_request_proves_nothing(bench: Bench) -> None:
    bench.transport.faults.extend(["lost request"] * VENS)
    bench.tick()
    bench.manager.generate_reports()

    bench.clock.advance(seconds=20)
    assert bench.manager.generate_reports() == 0, "the VTN may still be at work"

    bench.clock.advance(seconds=31)
    assert bench.manager.generate_reports() == TICK


def test_a_crash_between_sending_and_remembering_doubles_nothing(
    bench: Bench, make_container: MakeContainer
) -> None:
    """The process ends after the VTN took the reports and before their answers were stored."""
    bench.tick()
    bench.transport.faults.extend(["lost answer"] * VENS)
    bench.transport.lookup_status = 401
    bench.manager.generate_reports()
    assert all(stream.in_flight for stream in bench.container.streams.store().streams())
    bench.container.platform.database().close()

    settings = {"embedded_port": bench.vtn.port}
    restarted = Bench(make_container(vtn=settings), bench.vtn, bench.clock)
    restarted.tick()
    restarted.manager.generate_reports()

    restarted.assert_each_once(2 * TICK)


@pytest.mark.parametrize("status", [429, 408, 404, 403, 415])
def test_one_ven_that_is_refused_holds_no_other_one(bench: Bench, status: int) -> None:
    bench.transport.refused["Aalborg"] = status

    for _ in range(3):
        bench.tick()
        bench.manager.generate_reports()

    others = {report["clientName"] for report in bench.reports()}
    assert others == {"Aarhus", "Esbjerg"}
    assert bench.container.delivery.service().waiting() == 3 * RESOURCES


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


def test_a_report_in_doubt_that_is_found_too_large_is_set_aside_and_the_next_ones_are_smaller(
    bench: Bench,
) -> None:
    """Cut in pieces it would be there twice, if what was sent first still came."""
    bench.tick(20)
    bench.transport.faults.extend(["lost request"] * VENS)
    bench.manager.generate_reports()
    in_doubt = sum(
        stream.in_flight is not None for stream in bench.container.streams.store().streams()
    )
    bench.transport.largest_body_bytes = 4_000
    for _ in range(3):
        bench.clock.advance(minutes=1)
        bench.tick(20)
        bench.manager.generate_reports()

    asides = bench.container.streams.rejected().reports()
    assert len(asides) == in_doubt > 0
    bench.assert_each_once(80 * TICK - sum(aside.readings for aside in asides))

    bench.transport.largest_body_bytes = 1 << 20
    bench.retry()
    bench.manager.generate_reports()
    bench.assert_each_once(80 * TICK)


def test_a_stream_that_ended_while_its_report_was_sent_stays_ended(bench: Bench) -> None:
    store = bench.container.streams.store()
    stream = store.streams()[0]
    store.apply([(stream, lambda now: now.end(at_us=1, last_frame=0))])

    store.apply([(stream, lambda now: now.acknowledge("report-1", at_us=2))])

    assert stream.stream_id not in {each.stream_id for each in store.open_streams()}


def test_a_vtn_that_takes_a_report_and_cannot_be_asked_about_it_gets_no_second_one(
    bench: Bench,
) -> None:
    bench.tick()
    bench.transport.faults.extend(["lost answer"] * VENS)
    bench.transport.lookup_status = 401
    bench.manager.generate_reports()
    bench.tick()
    bench.manager.generate_reports()
    bench.transport.lookup_status = 0
    bench.clock.advance(minutes=1)

    bench.manager.generate_reports()

    bench.assert_each_once(2 * TICK)


def sent_again(stream: TelemetryStream) -> TelemetryStream:
    """Its report in flight was sent a second time."""
    flying = stream.in_flight
    assert flying is not None
    return stream.in_doubt(flying.name, planned_us=flying.planned_us, again=True)


@pytest.mark.parametrize("again", [True, False], ids=["sent twice", "sent long ago"])
def test_what_may_have_been_sent_twice_is_looked_at_again_once_it_is_found(
    bench: Bench, again: bool
) -> None:
    """The work of the first attempt may come long after that of the second."""
    store = bench.container.streams.store()
    bench.tick()
    bench.transport.faults.extend(["lost answer"] * VENS)
    bench.transport.lookup_status = 401
    bench.manager.generate_reports()
    bench.transport.lookup_status = 0
    streams = [stream for stream in store.streams() if stream.in_flight]
    assert streams
    if again:
        store.apply((stream, sent_again) for stream in streams)
        bench.clock.advance(seconds=10)
    else:
        bench.clock.advance(minutes=1)  # it may have been sent again before a crash
    bench.manager.generate_reports()
    bench.double_reports(of={stream.ven_name for stream in streams})

    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()

    bench.assert_each_once(TICK)


def test_one_ven_with_too_large_reports_makes_those_of_no_other_one_smaller(bench: Bench) -> None:
    bench.transport.refused["Aarhus"] = 413
    bench.tick(20)
    bench.manager.generate_reports()
    sizes: dict[str, int] = Counter(report["clientName"] for report in bench.reports())

    assert sizes == {"Aalborg": 1, "Esbjerg": 1}
    asides = bench.container.streams.rejected().reports()
    assert {aside.ven_name for aside in asides} == {"Aarhus"}
    assert sum(aside.readings for aside in asides) == 20 * RESOURCES


def test_a_413_of_a_proxy_in_html_makes_reports_smaller_too(bench: Bench) -> None:
    bench.transport.html = True
    bench.transport.largest_body_bytes = 2_000
    bench.tick(20)
    bench.manager.generate_reports()

    bench.assert_each_once(20 * TICK)
    assert bench.container.streams.rejected().reports() == []


def test_a_vtn_that_is_read_well_and_takes_no_report_is_asked_seldom(bench: Bench) -> None:
    bench.transport.refused.update(dict.fromkeys(("Aalborg", "Aarhus", "Esbjerg"), 503))
    for _ in range(20):
        bench.clock.advance(seconds=1)
        bench.container.simulator().increase_time()
        bench.manager.generate_reports()

    assert bench.container.openadr.write_circuit().is_open
    assert not bench.container.openadr.circuit().is_open
    assert bench.transport.refusals < 20

    bench.transport.refused.clear()
    for _ in range(3):
        bench.clock.advance(minutes=1)
        bench.manager.generate_reports()
    bench.assert_each_once(20 * TICK)


def test_what_is_moved_out_while_a_delivery_reads_is_not_skipped(bench: Bench) -> None:
    """The metering thread makes room between the planner's look at the slices and at the frames."""
    frames, retention = bench.container.readings.log(), bench.container.streams.retention()

    class Idle:
        """A retention that has not come to it yet."""

        def prune(self) -> None:
            """Later."""

    bench.tick(200)
    bench.transport.refused["Aarhus"] = 401
    bench.replace("streams.retention", Idle())
    bench.manager.generate_reports()
    bench.transport.refused.clear()
    bench.replace("streams.retention", retention)

    class Interrupted:
        """The store of frames, with the retention at work just before frames are read."""

        def __getattr__(self, name: str) -> object:
            return getattr(frames, name)

        def since(self, seq: int, *, most_bytes: int) -> object:
            retention.prune()
            return frames.since(seq, most_bytes=most_bytes)

    bench.replace("delivery.builder", bench.builder(frames=Interrupted()))
    bench.manager.generate_reports()
    for _ in range(3):
        bench.tick()
        bench.manager.generate_reports()

    bench.assert_each_once(203 * TICK)


def test_a_second_look_that_is_refused_stops_no_other_one(bench: Bench) -> None:
    bench.tick()
    bench.transport.faults.extend(["lost request"] * VENS)
    bench.manager.generate_reports()
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()
    bench.double_reports()
    bench.transport.unreadable = "Aalborg"
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()

    doubled = {name.split("-")[0] for (name, _), count in bench.readings().items() if count > 1}
    assert doubled == {"Aalborg"}


def test_a_ven_that_a_second_look_fails_is_held(bench: Bench) -> None:
    bench.tick()
    bench.transport.faults.extend(["lost request"] * VENS)
    bench.manager.generate_reports()
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()
    bench.transport.lookup_status = 429
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()

    assert len(bench.container.fleet.held_reports().problems()) == VENS


@pytest.mark.parametrize("setting", ["hold", "send_again"])
def test_a_ven_that_may_not_read_its_reports_does_what_the_setting_says(
    bench: Bench, make_container: MakeContainer, caplog: pytest.LogCaptureFixture, setting: str
) -> None:
    settings = {"embedded_port": bench.vtn.port}
    bench = Bench(
        make_container(vtn=settings, delivery={"when_unreadable": setting}), bench.vtn, bench.clock
    )
    bench.transport.unreadable = "Aarhus"
    bench.tick()
    bench.transport.faults.extend(["lost request"] * VENS)
    for _ in range(4):
        bench.manager.generate_reports()
        bench.clock.advance(minutes=1)

    found = {name.split("-")[0] for name, _ in bench.readings()}
    assert ("Aarhus" in found) == (setting == "send_again")
    assert caplog.text.count("may not read its own reports") == 1


def test_a_look_that_the_vtn_did_not_answer_is_looked_again(bench: Bench) -> None:
    bench.tick()
    bench.transport.faults.extend(["lost request"] * VENS)
    bench.manager.generate_reports()
    bench.clock.advance(minutes=1)
    bench.manager.generate_reports()
    bench.double_reports()
    bench.transport.lookup_status = 429
    for _ in range(6):
        bench.clock.advance(minutes=10)
        bench.manager.generate_reports()
    bench.transport.lookup_status = 0
    bench.clock.advance(hours=1)

    bench.manager.generate_reports()

    bench.assert_each_once(TICK)


@pytest.mark.parametrize("status", [400, 403, 405])
def test_a_double_that_cannot_be_removed_holds_nothing(bench: Bench, status: int) -> None:
    bench.tick()
    bench.transport.faults.extend(["lost answer"] * VENS)
    bench.transport.lookup_status = 401
    bench.manager.generate_reports()
    bench.transport.lookup_status = 0
    bench.double_reports(of={"Aarhus"})
    bench.transport.delete_status = status
    for _ in range(3):
        bench.clock.advance(minutes=1)
        bench.tick()
        bench.manager.generate_reports()

    assert bench.waiting() == 0
    assert bench.container.streams.rejected().reports() == []


def test_a_clock_that_is_set_back_does_not_end_the_settling_time(bench: Bench) -> None:
    bench.tick()
    bench.transport.faults.append("lost request")
    bench.manager.generate_reports()
    bench.clock.set_back(seconds=5)

    assert bench.manager.generate_reports() == 0, "the VTN may still be at work"
    bench.clock.advance(seconds=36)
    assert bench.manager.generate_reports() == RESOURCES


def test_a_stored_tick_whose_answer_was_lost_is_not_taken_twice(bench: Bench) -> None:
    bench.tick()
    frames = bench.container.readings.log()

    class LostAnswer:
        """The store of frames, whose connection breaks after the COMMIT."""

        def __getattr__(self, name: str) -> object:
            return getattr(frames, name)

        def append(self, frame: Frame) -> None:
            frames.append(frame)
            raise DatabaseError("the server closed the connection")

    store = LostAnswer()
    bench.container.readings.log.override(store)
    provider(bench.container, "simulator").reset()
    with pytest.raises(DatabaseError):
        bench.tick()
    store.append = frames.append  # type: ignore[method-assign]
    bench.tick()

    stored = frames.since(0, most_bytes=1 << 30)
    indices = [frame.profile_index for frame in stored]
    assert indices == sorted(set(indices))
