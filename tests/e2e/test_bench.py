"""A short run of the benchmark, so that it cannot rot; no timing is asserted."""

from __future__ import annotations

from bench.delivery import Shape, measure, table


def test_every_row_is_measured_and_the_sink_counts_what_was_acknowledged() -> None:
    shape = Shape(vens=3, resources_per_ven=4, ticks=2, rounds=1, connections=2)

    text = table(shape, measure(shape))

    assert "increase_time() to 201" in text
    assert "ratio to no store" in text
