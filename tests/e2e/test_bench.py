"""Short runs of the benchmarks, so that they cannot rot; no timing is asserted."""

from __future__ import annotations

from bench import (
    cycle,
    delivery,
    enrolment,
    gateway,
    intake,
    intervals,
    orders,
    page,
    poll,
    schedule,
    shards,
    start,
    step,
)
from bench.fleet import Shape
from bench.posting import METERS, SHAPES
from bench.push import row
from bench.rows import Row, table

SMALL = Shape(3, 4)


def names(rows: list[Row]) -> list[str]:
    assert all(row.median >= 0 for row in rows)
    return [row.name for row in rows]


def test_delivery_is_measured_and_the_sink_counts_what_was_acknowledged() -> None:
    rows = delivery.measure(SMALL, rounds=2, ticks=2)

    assert names(rows)[:2] == ["increase_time() to 201, durable store", "the same without a store"]
    assert "ratio to (d)" in table(rows)


def test_cycles_are_measured_in_a_process_of_their_own() -> None:
    found = cycle.measure(SMALL, cycles=2)

    assert len(found["cycle_s"]) == 2
    assert found["peak_mb"] > 10


def test_reports_per_interval_are_measured_between_the_quarters_and_at_one() -> None:
    shown = names(intervals.rows(shape=SMALL, many=SMALL, quarters=2, hours=300))

    assert shown[0] == "a delivery with nothing due"
    assert shown[-1] == "made once, and delivered in parts"


def test_steps_are_measured_beside_a_gather() -> None:
    assert "no event, to the gather" in names(step.rows(SMALL, steps=2))


def test_enrolment_is_measured_and_creates_each_once() -> None:
    assert names(enrolment.rows(SMALL, rounds=1)) == ["cold", "warm, no POST"]


def test_the_lateness_of_starts_is_measured() -> None:
    assert "lateness of a start, p99" in names(schedule.rows(SMALL, lasts_s=2.0))


def test_starts_are_measured() -> None:
    assert "resident" in names(start.rows(rounds=1, large=SMALL))


def test_what_the_page_costs_is_measured() -> None:
    shown = names(page.rows(SMALL, SMALL, rounds=1, ticks=2))

    assert shown[:3] == ["nobody looks", "a browser looks", "ratio"]
    assert "view /events" in shown


def test_push_is_measured_until_every_ven_has_the_event() -> None:
    assert row("MQTT", 2, 1).startswith("MQTT           2 VENs")


def test_measurements_are_taken_over_http_and_each_is_counted() -> None:
    assert intake.over_http("CSV", SHAPES[0], batches=2) > 0


def test_readings_through_a_gateway_are_counted_in_both_shards() -> None:
    assert gateway.through_a_gateway("NDJSON", batches=2) > 0


def test_two_shards_are_measured_beside_one_process() -> None:
    with shards.fleets(SMALL) as both:
        elapsed_us, cpu_us = both[2].run(1)

    assert elapsed_us > 0
    assert cpu_us > 0


def test_an_import_is_measured_in_a_process_of_its_own() -> None:
    found = intake.imported(1)

    assert found["taken"] == 96 * METERS
    assert found["bytes"] < 100


def test_polls_are_measured_of_one_client_and_of_many() -> None:
    shown = names(poll.rows(of=0.002))

    assert shown[:2] == ["the first one, with all targets", "a later one"]
    assert shown[-1] == "peak memory"


def test_orders_are_measured_from_the_event_to_the_device() -> None:
    shown = names(orders.rows(SMALL, SMALL, events=2, quiet_s=0.5, steady_s=0.5))

    assert shown[:2] == ["event to device, 12 resources", "the same, p99"]
    assert shown[-1] == "peak memory"
