"""A short run of the benchmark, so that it cannot rot; no timing is asserted."""

from __future__ import annotations

from bench.delivery import Shape, measure, table
from bench.push import row


def test_every_row_is_measured_and_the_sink_counts_what_was_acknowledged() -> None:
    shape = Shape(vens=3, resources_per_ven=4, ticks=2, rounds=1, connections=2)

    text = table(shape, measure(shape))

    assert "increase_time() to 201" in text
    assert "ratio to no store" in text


def test_push_is_measured_until_every_ven_has_the_event() -> None:
    assert row("MQTT", 2, 1).startswith("MQTT           2 VENs")
