"""The User Guide's own examples are not all valid; a lenient VTN that serves them breaks no VEN."""

from __future__ import annotations

from typing import Any

import pytest

from tests.guide.conftest import Guide, values

pytestmark = pytest.mark.in_process

AS_PRINTED: dict[str, dict[str, Any]] = {
    "payloadDescriptors without an objectType": {
        "intervalPeriod": {"start": "0001-01-01T00:00:00Z", "duration": "P9999Y"},
        "payloadDescriptors": [{"payloadType": "SIMPLE"}],
        "intervals": [{"id": 0, "payloads": [{"type": "SIMPLE", "values": [1]}]}],
    },
    "a start that is a date": {
        "intervalPeriod": {"start": "0001-01-01", "duration": "P9999Y"},
        "intervals": [{"id": 0, "payloads": [{"type": "SIMPLE", "values": [1]}]}],
    },
    "a start with a space": {
        "intervals": [
            {
                "id": 0,
                "intervalPeriod": {"start": "2026-05-31 19:00:00.000Z", "duration": "P2D"},
                "payloads": [{"type": "SIMPLE", "values": [1]}],
            }
        ],
    },
}


def serve(guide: Guide, **event: Any) -> str:
    """As it is, without asking the official file."""
    (program,) = guide.vtn.store.select("PROGRAM")
    body = {"programID": program["id"], **event}
    event_id = str(guide.vtn.store.add("EVENT", body, parent=program["id"])["id"])
    guide.manager.poll_events()
    guide.pass_time(ticks=1)
    return event_id


@pytest.mark.parametrize("example", AS_PRINTED)
def test_it_is_followed_as_it_is_meant(guide: Guide, example: str) -> None:
    serve(guide, **AS_PRINTED[example])

    frame = guide.container.readings.log().last()
    assert frame is not None
    assert frame.detail.level is not None
    assert set(frame.detail.level.tolist()) == {1}


def test_a_misspelt_payload_type_is_read(guide: Guide) -> None:
    """Example 7.7-1 has 'payLoadType'."""
    event_id = serve(
        guide,
        intervalPeriod={"start": guide.clock.now.isoformat(), "duration": "PT1M"},
        reportDescriptors=[
            {"payLoadType": "USAGE", "readingType": "DIRECT_READ", "aggregate": True}
        ],
        intervals=[{"id": 0, "payloads": [{"type": "PRICE", "values": [0.17]}]}],
    )
    guide.pass_time(ticks=2)

    (report,) = guide.reports_of(event_id, "USAGE")
    assert len(values(report)) == 1


def test_an_event_with_a_duration_of_minus_one_is_named_and_hides_no_other(
    guide: Guide, caplog: pytest.LogCaptureFixture
) -> None:
    """The text of 8.8 speaks of a duration of -1."""
    with caplog.at_level("WARNING", logger="app"):
        broken = serve(guide, intervalPeriod={"start": "2026-06-01T00:00:00Z", "duration": "-1"})
        whole = serve(guide, reportDescriptors=[{"payloadType": "READING"}])

    assert broken in caplog.text
    assert len(guide.reports_of(whole, "READING")) == 1
