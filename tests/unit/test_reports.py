"""What an event asks for, what its values are, and how a report is rendered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events import SeenEvent
from app.openadr import read_event, read_instant
from app.readings import Frame, Roster
from app.reporting.content.encode import render
from app.reporting.content.instant import values_of
from app.reporting.requests.descriptors import ActiveRequest, ReportRequest, requests_of
from app.reporting.requests.quantities import Quantity

BEGIN = datetime(2026, 6, 1, 12, tzinfo=UTC)


def requests(descriptor: dict[str, Any], **event: Any) -> list[ReportRequest | str]:
    wire = {"id": "e", "programID": "p", "reportDescriptors": [descriptor], **event}
    seen = SeenEvent(ven_name="V", event=read_event(wire), first_seen=BEGIN)
    return [each.request if isinstance(each, ActiveRequest) else each for each in requests_of(seen)]


def request(payload_type: str = "READING") -> ReportRequest:
    (found,) = requests({"payloadType": payload_type})
    assert isinstance(found, ReportRequest)
    return found


def frames(*powers: list[float], names: tuple[str, ...] = ("r1", "r2")) -> list[Frame]:
    """Frames a minute apart, numbered from 1."""
    roster = Roster({"V": names}.items())
    return [
        Frame(
            seq=number,
            taken_at=BEGIN + timedelta(minutes=number),
            profile_index=number,
            roster=roster,
            power_kw=np.array(power, dtype=np.float32),
        )
        for number, power in enumerate(powers, 1)
    ]


PERIOD = {"start": "2026-06-01T00:00:00Z", "duration": "PT1H"}
INTERVALS = [{"id": 0, "payloads": []}]


@pytest.mark.parametrize(
    ("descriptor", "event"),
    [
        ({}, {}),
        ({"frequency": 0}, {"intervalPeriod": PERIOD, "intervals": INTERVALS}),
        ({"reportIntervals": "OPEN_INTERVALS"}, {"intervalPeriod": PERIOD}),
        ({"frequency": 0, "repeat": -1, "reportIntervals": "OPEN_INTERVALS"}, {}),
        ({"repeat": 1}, {}),
    ],
)
def test_ven_determined_reports(descriptor: dict[str, Any], event: dict[str, Any]) -> None:
    (found,) = requests({"payloadType": "READING", **descriptor}, **event)

    assert isinstance(found, ReportRequest)
    assert found.most_reports is None


def test_a_repeat_of_two_or_more_limits() -> None:
    (found,) = requests({"payloadType": "READING", "repeat": 2})

    assert isinstance(found, ReportRequest)
    assert found.most_reports == 2


@pytest.mark.parametrize("event", [{"intervals": []}, {"intervals": INTERVALS}])
def test_reports_on_intervals_are_planned(event: dict[str, Any]) -> None:
    (found,) = requests({"payloadType": "USAGE"}, intervalPeriod=PERIOD, **event)

    assert isinstance(found, ReportRequest)
    assert found.is_planned


@pytest.mark.parametrize(
    "descriptor",
    [
        {"payloadType": "READING", "units": "VOLTS"},
        {"payloadType": "READING", "readingType": "ESTIMATED"},
        {"payloadType": "IMPORT_RESERVATION_CAPACITY"},
        {"payloadType": "OPERATING_STATE", "aggregate": True},
    ],
)
def test_what_cannot_be_served_is_left_out_with_a_word(descriptor: dict[str, Any]) -> None:
    (found,) = requests(descriptor)

    assert isinstance(found, str)
    assert descriptor["payloadType"] in found


def test_a_reading_is_the_power_at_its_instant() -> None:
    (value,) = values_of(Quantity.INSTANT_POWER, "V", frames([1, 2], [3, 4]), after=1)

    assert (value.seq, value.start, value.duration) == (
        2,
        BEGIN + timedelta(minutes=2),
        timedelta(0),
    )
    assert value.numbers.tolist() == [3, 4]


def test_demand_is_the_mean_since_the_reading_before() -> None:
    (value,) = values_of(Quantity.MEAN_POWER, "V", frames([1, 2], [3, 4]), after=1)

    assert (value.start, value.duration) == (BEGIN + timedelta(minutes=1), timedelta(minutes=1))
    assert value.numbers.tolist() == [2, 3]


def test_without_a_reading_before_there_is_neither_demand_nor_usage() -> None:
    for quantity in (Quantity.MEAN_POWER, Quantity.ENERGY):
        assert list(values_of(quantity, "V", frames([1, 2]), after=0)) == []


def test_a_resource_that_is_new_has_no_usage_yet() -> None:
    before, _ = frames([6], [6], names=("old",))
    _, after = frames([6, 6], [6, 6], names=("new", "old"))

    (value,) = values_of(Quantity.ENERGY, "V", [before, after], after=1)

    assert np.isnan(value.numbers[0])
    assert value.numbers[1] == pytest.approx(0.1)


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=3, max_size=30),
    st.data(),
)
def test_the_usage_of_the_parts_adds_up_to_the_usage_of_the_whole(
    powers: list[float], data: st.DataObject
) -> None:
    taken = frames(*[[power] for power in powers], names=("r",))
    cut = data.draw(st.integers(1, len(powers) - 1))

    def usage(after: int, through: int) -> float:
        span = [frame for frame in taken if after <= frame.seq <= through]
        values = values_of(Quantity.ENERGY, "V", span, after=after)
        return sum(float(value.numbers[0]) for value in values)

    whole = usage(1, len(powers))
    assert usage(1, cut) + usage(cut, len(powers)) == pytest.approx(whole, abs=1e-9)


def render_all(payload_type: str, taken: list[Frame], after: int = 0) -> dict[str, Any]:
    asked = request(payload_type)
    values = list(values_of(asked.quantity, "V", taken, after))
    report = render(ven_name="V", request=asked, values=values, columns=slice(0, 100))
    wire: dict[str, Any] = orjson.loads(report.body)
    count = sum(len(resource["intervals"]) for resource in wire["resources"])
    assert report.readings == count
    assert wire["reportName"] == report.name
    return wire


def test_a_report_holds_every_resource_with_its_intervals() -> None:
    wire = render_all("READING", frames([1.5, 2], [3, 4]))

    assert (wire["eventID"], wire["clientName"]) == ("e", "V")
    assert [each["resourceName"] for each in wire["resources"]] == ["r1", "r2"]
    assert wire["resources"][0]["intervals"] == [
        {
            "id": 0,
            "intervalPeriod": {"start": "2026-06-01T12:01:00.000000Z", "duration": "PT0S"},
            "payloads": [{"type": "READING", "values": [1.5]}],
        },
        {
            "id": 1,
            "intervalPeriod": {"start": "2026-06-01T12:02:00.000000Z", "duration": "PT0S"},
            "payloads": [{"type": "READING", "values": [3.0]}],
        },
    ]


@pytest.mark.parametrize(
    ("payload_type", "reading_type", "units", "value"),
    [
        ("READING", "DIRECT_READ", "KW", 6.0),
        ("DEMAND", "MEAN", "KW", 6.0),
        ("USAGE", "DIRECT_READ", "KWH", 0.1),
    ],
)
def test_payload_types_and_their_units(
    payload_type: str, reading_type: str, units: str, value: float
) -> None:
    wire = render_all(payload_type, frames([6, 6], [6, 6]), after=1)

    assert wire["payloadDescriptors"] == [
        {
            "objectType": "REPORT_PAYLOAD_DESCRIPTOR",
            "payloadType": payload_type,
            "readingType": reading_type,
            "units": units,
        }
    ]
    assert wire["resources"][0]["intervals"][0]["payloads"][0]["values"] == [value]


def test_a_missing_reading_makes_no_interval() -> None:
    wire = render_all("READING", frames([float("nan"), 2]))

    assert [each["resourceName"] for each in wire["resources"]] == ["r2"]


def test_names_with_quotes_and_letters_are_json() -> None:
    wire = render_all("READING", frames([1, 2], names=('"quoted"', "blåbær")))

    assert [each["resourceName"] for each in wire["resources"]] == ['"quoted"', "blåbær"]


def name_of(ven_name: str, taken: list[Frame], columns: slice = slice(0, 2)) -> str:
    values = list(values_of(Quantity.INSTANT_POWER, "V", taken, 0))
    return render(ven_name=ven_name, request=request(), values=values, columns=columns).name


def test_a_report_name_is_the_same_for_the_same_readings_and_no_others() -> None:
    one, two = frames([1, 2]), frames([1, 2], [3, 4])
    names = [
        name_of("V", one),
        name_of("W", one),
        name_of("V", two),
        name_of("V", one, slice(0, 1)),
        name_of("V", one, slice(1, 2)),
    ]

    assert len(set(names)) == len(names)
    assert name_of("V", frames([9, 9])) == names[0], "a name is made of instants, not of values"


@given(st.text(min_size=1, max_size=128))
def test_a_report_name_is_short_ascii(ven_name: str) -> None:
    name = name_of(ven_name, frames([1, 2]))

    assert name.isascii()
    assert len(name) <= 128


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20))
def test_values_cross_the_wire_unchanged(powers: list[float]) -> None:
    names = tuple(f"r{number}" for number in range(len(powers)))
    wire = render_all("READING", frames(powers, names=names))

    sent = [each["intervals"][0]["payloads"][0]["values"][0] for each in wire["resources"]]
    assert np.array(sent, dtype=np.float32).tolist() == powers
    assert read_instant(wire["resources"][0]["intervals"][0]["intervalPeriod"]["start"])
