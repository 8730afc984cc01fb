"""What VENs share that are told the same, and what each has for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from app.events import SeenEvent
from app.events.views import KeptEvent, View
from app.intake import KnownMeters
from app.openadr import read_event
from app.reporting.streams import RequestIndex
from tests.support.events import NOW, wire

PERIOD = {"start": NOW.isoformat(), "duration": "PT1H"}
ASKS = {"payloadType": "USAGE"}
ALIKE = wire(intervalPeriod=PERIOD, intervals=[{"id": 0}], reportDescriptors=[ASKS])
PERSONAL: dict[str, dict[str, Any]] = {
    "for some": {**ALIKE, "targets": ["north"]},
    "about some": {**ALIKE, "reportDescriptors": [{**ASKS, "targets": ["north"]}]},
    "that each begins at a time of its own": {
        **ALIKE,
        "intervalPeriod": {**PERIOD, "randomizeStart": "PT10M"},
    },
    "of which a part begins at a time of its own": {
        **ALIKE,
        "intervals": [{"id": 0, "intervalPeriod": {**PERIOD, "randomizeStart": "PT10M"}}],
    },
}


class NoMeters:
    """A fleet that is simulated."""

    def known(self) -> KnownMeters:
        return KnownMeters(())


def seen_by(ven_names: Sequence[str], event: dict[str, Any]) -> dict[str, list[SeenEvent]]:
    """The same event, as these VENs have seen it."""
    kept = KeptEvent(event=read_event(event), body=b"", first_seen=NOW, had_time=True)
    view = View(events={"e": kept})
    return {name: view.seen_by(name) for name in ven_names}


def test_one_that_means_the_same_to_all_is_laid_out_and_served_once() -> None:
    seen = seen_by(["Aarhus", "Odense"], ALIKE)
    index = RequestIndex(seen.__getitem__, meters=NoMeters())

    (one,), (other,) = seen.values()
    assert one.timeline is other.timeline
    assert index.of_ven("Aarhus")[0] is index.of_ven("Odense")[0]
    assert len(index.of_ven("Aarhus")[0]) == 1


@pytest.mark.parametrize("event", PERSONAL.values(), ids=PERSONAL)
def test_each_has_for_itself_one(event: dict[str, Any]) -> None:
    seen = seen_by(["Aarhus", "Odense"], event)
    index = RequestIndex(seen.__getitem__, meters=NoMeters())

    (one,), (other,) = seen.values()
    assert one.timeline is not other.timeline
    assert index.of_ven("Aarhus")[0] is not index.of_ven("Odense")[0]


def test_random_starts_are_drawn_by_ven() -> None:
    seen = seen_by(
        [f"VEN {number}" for number in range(20)], PERSONAL["that each begins at a time of its own"]
    )

    assert len({own.timeline.start for (own,) in seen.values()}) > 10
