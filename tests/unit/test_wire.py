"""Lenient in, strict out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.openadr import (
    YEAR_1,
    WireDuration,
    WireError,
    read_duration,
    read_event,
    read_instant,
    write_duration,
    write_instant,
)
from app.openadr.wire import read_each

EVENT = {"id": "e1", "programID": "p1"}
FIELDS = [*EVENT, "intervals", "intervalPeriod", "start", "duration"]
FIELDS += ["reportDescriptors", "payloadType", "frequency", "repeat"]


def test_unknown_fields_are_ignored_and_null_is_absent() -> None:
    event = read_event(
        {
            **EVENT,
            "surprise": 1,
            "intervalPeriod": None,
            "intervals": None,
            "reportDescriptors": None,
        }
    )

    assert (event.event_id, event.program_id) == ("e1", "p1")
    assert (event.period, event.intervals, event.report_descriptors) == (None, (), ())


def test_a_descriptor_has_the_defaults_of_the_specification() -> None:
    event = read_event({**EVENT, "reportDescriptors": [{"payloadType": "USAGE"}]})

    (descriptor,) = event.report_descriptors
    assert (descriptor.start_interval, descriptor.num_intervals, descriptor.frequency) == (
        -1,
        -1,
        -1,
    )
    assert (descriptor.repeat, descriptor.historical, descriptor.aggregate) == (1, True, False)
    assert descriptor.report_intervals == "INTERVALS"


@pytest.mark.parametrize(
    ("wire", "named"),
    [
        ({"eventName": "peak", "programID": "p"}, "peak"),
        ({"id": "e1"}, "programID"),
        ({"id": "no/slash", "programID": "p"}, "id"),
        ({**EVENT, "intervalPeriod": {"start": "soon"}}, "soon"),
        ({**EVENT, "intervals": [{"id": 0, "intervalPeriod": {"duration": "1h"}}]}, "1h"),
    ],
)
def test_only_what_cannot_be_used_is_refused_by_name(wire: dict[str, Any], named: str) -> None:
    with pytest.raises(WireError, match=named):
        read_event(wire)


def test_one_bad_object_of_a_list_does_not_hide_the_others() -> None:
    refused: list[str] = []

    events = list(read_each([EVENT, {"eventName": "peak"}, 7], read_event, refused.append))

    assert [event.event_id for event in events] == ["e1"]
    assert len(refused) == 2
    assert "peak" in refused[0]


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("PT1H", WireDuration(rest=timedelta(hours=1))),
        ("PT0S", WireDuration()),
        ("P1DT0.5S", WireDuration(rest=timedelta(days=1, milliseconds=500))),
        ("P9999Y", WireDuration(infinite=True)),
        ("P9999Y0M0DT0H0M0S", WireDuration(infinite=True)),
        ("P1Y2M3D", WireDuration(months=14, rest=timedelta(days=3))),
        ("P999999999999M", WireDuration(infinite=True)),
    ],
)
def test_durations_are_read_by_value(text: str, duration: WireDuration) -> None:
    assert read_duration(text) == duration


@pytest.mark.parametrize("text", ["0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z"])
def test_the_year_1_is_read_in_every_spelling(text: str) -> None:
    assert read_instant(text) == YEAR_1


def test_instants_are_read_in_utc() -> None:
    assert read_instant("2026-06-01T14:00:00+02:00") == datetime(2026, 6, 1, 12, tzinfo=UTC)
    assert read_instant("2026-06-01T12:00:00") == datetime(2026, 6, 1, 12, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2999, 1, 1)))  # noqa: DTZ001
def test_a_written_instant_reads_back(naive: datetime) -> None:
    instant = naive.replace(tzinfo=UTC)

    assert read_instant(write_instant(instant)) == instant


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4000)))
def test_a_written_duration_reads_back(duration: timedelta) -> None:
    assert read_duration(write_duration(duration)) == WireDuration(rest=duration)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(FIELDS),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_whatever_a_vtn_sends_is_read_or_refused(wire: Any) -> None:
    refused: list[str] = []

    events = list(read_each([wire], read_event, refused.append))

    assert len(events) + len(refused) == 1
