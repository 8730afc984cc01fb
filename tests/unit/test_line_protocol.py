"""Influx line protocol: what lines come to, by what the file of sources says of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from app.intake.line_protocol import LineMeasurement, LineReader, LinesRead
from app.platform import from_us, to_us

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOON_NS = to_us(NOON) * 1_000
POWER: dict[str, Any] = {
    "measurement": "power",
    "device": "host",
    "field": "w",
    "quantity": "POWER",
    "unit": "W",
}


def read(text: str, *mappings: dict[str, Any], precision: str = "ns") -> LinesRead:
    measurements = [LineMeasurement.model_validate(each) for each in mappings or (POWER,)]
    return LineReader(measurements).read(text, precision=precision, now_us=to_us(NOON))


def values(found: LinesRead) -> list[tuple[str, str, datetime, float]]:
    """Device, quantity, when, value."""
    made = found.measurements
    if made is None:
        return []
    rows = zip(made.key.tolist(), made.start_us.tolist(), made.value.tolist(), strict=True)
    return [
        (made.keys[key].meter.device, made.keys[key].quantity.value, from_us(at_us), value)
        for key, at_us, value in rows
    ]


def test_a_line_is_a_value_of_a_device() -> None:
    found = read(f"power,host=plug-1,room=hall w=1500,v=230i {NOON_NS}\n")

    assert values(found) == [("plug-1", "POWER", NOON, 1.5)]
    assert (found.wrong, found.ignored) == ([], 0)


@pytest.mark.parametrize(
    ("precision", "time"),
    [
        *(("ns", "1772366400000000000"), ("us", "1772366400000000"), ("ms", "1772366400000")),
        *(("s", "1772366400"), ("m", "29539440"), ("h", "492324"), ("", "1772366400000000000")),
    ],
)
def test_times_are_in_the_precision_that_is_said(precision: str, time: str) -> None:
    ((*_, at, _),) = values(read(f"power,host=a w=1 {time}", precision=precision))

    assert at == NOON


def test_a_line_without_a_time_is_dated_when_it_comes() -> None:
    assert values(read("power,host=a w=1")) == [("a", "POWER", NOON, 0.001)]


def test_home_assistant_names_measurements_by_units() -> None:
    mapping = {
        "measurement": "kWh",
        "device": "entity_id",
        "tags": {"domain": "sensor"},
        "field": "value",
        "quantity": "REGISTER",
        "unit": "KWH",
        "direction": "IMPORT",
    }
    line = (
        'kWh,domain=sensor,entity_id=grid value=42.5,friendly_name_str="Grid, in",state="42.5" {}'
    )

    found = read(
        line.format(NOON_NS) + "\n" + line.format(NOON_NS).replace("=sensor", "=x"), mapping
    )

    assert values(found) == [("grid", "REGISTER", NOON, 42.5)]
    assert found.ignored == 1


def test_lines_that_are_wrong_are_named_and_the_others_read() -> None:
    found = read("power,host=a w=1\npower,host=b w=\n\n# a comment\npower,host=c w=3\n")

    assert [device for device, *_ in values(found)] == ["a", "c"]
    assert found.wrong == [(2, "'power,host=b w=': Failed to parse value of field.")]


LIKE_A_LINE = "power,host=c w=9999"


@pytest.mark.parametrize(
    "text",
    [
        "one\ntwo",
        f"one\n{LIKE_A_LINE}\ntwo",
        f'a \\"quoted\\" word\n{LIKE_A_LINE}\n',
        f'one\n5\\" pipe\n{LIKE_A_LINE}\nend',
        f"{LIKE_A_LINE}\n" * 500,
        "ends with a backslash\\\\",
    ],
)
def test_what_stands_in_a_text_is_no_line(text: str) -> None:
    """Telegraf and Home Assistant write texts as they are, and anything may stand in them."""
    found = read(f'power,host=a note="{text}",w=1\npower,host=b w=2\n')

    assert [device for device, *_ in values(found)] == ["a", "b"]
    assert found.wrong == []


def test_of_a_text_that_does_not_end_nothing_is_read() -> None:
    found = read(f'power,host=a w=1\npower,host=b note="one\n{LIKE_A_LINE}\n')

    assert [device for device, *_ in values(found)] == ["a"]
    assert [number for number, _ in found.wrong] == [2]


@pytest.mark.parametrize(
    "line",
    ['power,host=a,note="b w=1', 'power,host=a,note=5" w=1', '# power,host=c note="'],
)
def test_elsewhere_a_quote_is_like_all_else(line: str) -> None:
    found = read(f"{line}\npower,host=b w=2\n")

    assert values(found)[-1][0] == "b"
    assert found.wrong == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("power,host=a w=true", "'True' is no number"),
        ('power,host=a w="much"', "'much' is no number"),
        ("power,host=a w=1 5", "it is no time of a measurement; is the precision right?"),
    ],
)
def test_what_is_no_measurement_is_refused(line: str, reason: str) -> None:
    found = read(line)

    (refusal,) = found.refused.first
    assert reason in refusal.reason
    assert (refusal.line, refusal.column) == (1, "w")
    assert values(found) == []


def test_what_nobody_asks_for_is_ignored() -> None:
    found = read("cpu,host=a usage=1\npower,host=a v=230\npower w=5\n")

    assert (found.measurements, found.ignored) == (None, 3)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"unit": "KWH"}, "POWER is not measured in KWH"),
        ({"quantity": "REGISTER", "unit": "KWH"}, "a REGISTER counts IMPORT or EXPORT"),
        ({"values": []}, "has a value beside it"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        LineMeasurement.model_validate({**POWER, **changed})
