"""A short run of the benchmark, so that it cannot rot; no timing is asserted."""

from __future__ import annotations

from bench.delivery import Shape, measure, table


def test_both_rows_are_measured_and_the_sink_counts_what_was_acknowledged() -> None:
    shape = Shape(vens=3, resources_per_ven=4, ticks=2, rounds=1, connections=2)

    ours, limit = measure(shape)

    text = table(shape, ours, limit)
    assert "increase_time() to 201" in text
    assert "ratio" in text
