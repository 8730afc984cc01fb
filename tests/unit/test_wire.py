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
from app.openadr.wire import read_each, read_program, read_resource, read_ven

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


@pytest.mark.parametrize("text", ["-PT1S", "-P1M", "-P1DT1H"])
def test_no_duration_runs_backwards(text: str) -> None:
    with pytest.raises(WireError, match="is negative"):
        read_duration(text)


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


class TestNeverMoreWidelyThanItWasWritten:
    """Where absent means more, what cannot be read is refused."""

    @pytest.mark.parametrize(
        ("targets", "read"),
        [
            (None, set()),
            ([], set()),
            ("some-ven", {"some-ven"}),
            (["a", "b"], {"a", "b"}),
            ([{"type": "GROUP", "values": ["a", 1]}], {"GROUP=a", "GROUP=1"}),
        ],
    )
    def test_targets_that_can_be_read(self, targets: Any, read: set[str]) -> None:
        assert read_event({**EVENT, "targets": targets}).targets == read

    @pytest.mark.parametrize(
        "targets",
        [
            *(5, 0, False, True, {}, {"type": "GROUP", "values": ["a"]}),
            *(["a", 5], ["a", None], [["a"]], [{"type": "GROUP"}], "", [""], ["x" * 129]),
            *([{"type": 5, "values": ["a"]}], [{"type": "GROUP", "values": "a"}]),
            [{"type": "GROUP", "values": [None]}],
            [{"type": "GROUP", "values": []}],
            [{"type": "GROUP", "values": [True]}],
        ],
        ids=repr,
    )
    def test_an_event_whose_targets_cannot_be_read_is_refused(self, targets: Any) -> None:
        with pytest.raises(WireError, match=r"event 'e1': targets .* cannot be read"):
            read_event({**EVENT, "targets": targets})

    @pytest.mark.parametrize("field", ["intervals", "intervalPeriod"])
    @pytest.mark.parametrize("value", [5, "x", False, [None], [5]])
    def test_an_event_whose_times_cannot_be_read_is_refused(self, field: str, value: Any) -> None:
        with pytest.raises(WireError, match=f"event 'e1': {field}.* cannot be read"):
            read_event({**EVENT, field: value})

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            *(("targets", 5), ("numIntervals", "three"), ("numIntervals", 1.5)),
            *(("frequency", "PT1H"), ("repeat", []), ("startInterval", True)),
            *(("aggregate", "true"), ("historical", 1), ("readingType", 5)),
            ("numIntervals", 1e300),
        ],
    )
    def test_a_report_descriptor_that_cannot_be_read_is_left_out_and_said(
        self, field: str, value: Any
    ) -> None:
        descriptors = [{"payloadType": "USAGE", field: value}, {"payloadType": "DEMAND"}]

        event = read_event({**EVENT, "reportDescriptors": descriptors})

        assert [
            report_descriptor.payload_type for report_descriptor in event.report_descriptors
        ] == ["DEMAND"]
        (line,) = event.unread
        assert line.startswith("report descriptor 0: ")
        assert field in line

    def test_a_ven_whose_targets_cannot_be_read_is_known_and_its_targets_are_not(self) -> None:
        ven = read_ven({"id": "v", "venName": "Aarhus", "targets": 5})

        assert (ven.ven_name, ven.targets) == ("Aarhus", None)

    def test_a_resource_whose_targets_cannot_be_read_is_known_and_its_targets_are_not(self) -> None:
        resource = read_resource({"id": "r", "resourceName": "pump", "targets": [5]})

        assert (resource.resource_name, resource.targets) == ("pump", None)


class TestUnits:
    """A limit of 5 MW that is read as 5 kW asks for more than was written."""

    @pytest.mark.parametrize(
        "descriptors",
        [
            "KW",
            [7],
            {"payloadType": "IMPORT_CAPACITY_LIMIT", "units": "MW"},
            [{"payloadType": "IMPORT_CAPACITY_LIMIT", "units": 5}],
            [{"payloadType": "IMPORT_CAPACITY_LIMIT", "units": ["MW"]}],
            [{"payloadType": 7, "units": "MW"}],
        ],
    )
    def test_where_they_cannot_be_read_there_is_no_event(self, descriptors: Any) -> None:
        with pytest.raises(WireError, match="event 'e1'"):
            read_event({**EVENT, "payloadDescriptors": descriptors})

        program = read_program({"id": "p1", "payloadDescriptors": descriptors})
        assert program.units is None

    @pytest.mark.parametrize("descriptors", [None, [], [{"payloadType": "PRICE", "units": None}]])
    def test_where_none_are_given_there_are_none(self, descriptors: Any) -> None:
        assert read_event({**EVENT, "payloadDescriptors": descriptors}).units == {}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"reportDescriptors": "USAGE"}, "report descriptor 0: it has no payloadType"),
        ({"reportDescriptors": [7]}, "report descriptor 0: it has no payloadType"),
        ({"reportDescriptors": [{"units": "KWH"}]}, "report descriptor 0: it has no payloadType"),
        ({"intervals": [{"payloads": 7}]}, "interval 0: a payload cannot be read"),
        ({"intervals": [{"payloads": [7]}]}, "interval 0: a payload cannot be read"),
        ({"intervals": [{"payloads": [{"type": "X"}]}]}, "interval 0: a payload cannot be read"),
    ],
)
def test_what_is_left_out_of_an_event_is_told(fields: dict[str, Any], told: str) -> None:
    (line,) = read_event({**EVENT, **fields}).unread

    assert told in line


class TestWholeNumbers:
    def test_they_may_be_written_as_decimals(self) -> None:
        descriptor = {"payloadType": "USAGE", "numIntervals": 3.0, "frequency": 2.0, "repeat": -1.0}
        event = read_event(
            {
                **EVENT,
                "priority": 1.0,
                "intervals": [{"id": 7.0}],
                "reportDescriptors": [descriptor],
            }
        )

        assert event.priority == 1
        assert event.intervals[0].interval_id == 7
        (read,) = event.report_descriptors
        assert (read.num_intervals, read.frequency, read.repeat) == (3, 2, -1)
        assert event.unread == ()

    @pytest.mark.parametrize("priority", ["high", 1.5, True, [], 1e400, -1])
    def test_a_priority_that_is_none_is_the_lowest_and_said(self, priority: Any) -> None:
        event = read_event({**EVENT, "priority": priority})

        assert event.priority is None
        (line,) = event.unread
        assert line.startswith("priority ")

    @pytest.mark.parametrize("interval_id", ["x", 0.5, 2**40])
    def test_an_id_that_is_none_is_the_place_and_said(self, interval_id: Any) -> None:
        event = read_event({**EVENT, "intervals": [{}, {"id": interval_id}]})

        assert [interval.interval_id for interval in event.intervals] == [0, 1]
        assert len(event.unread) == 1


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-06-01t12:00:00z", datetime(2026, 6, 1, 12, tzinfo=UTC)),
        ("2026-06-01T12:00:00+02:00", datetime(2026, 6, 1, 10, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31T23:59:60.5z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2016-12-31 23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
        ("2017-01-01T00:59:60+01:00", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_of_rfc_3339_are_read(text: str, instant: datetime) -> None:
    assert read_instant(text) == instant


@pytest.mark.parametrize("text", ["2026-06-01T12:60:00Z", "2026-06-01T12:00:61Z", "60"])
def test_what_is_no_leap_second_is_no_time(text: str) -> None:
    with pytest.raises(WireError):
        read_instant(text)
