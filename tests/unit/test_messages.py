"""What messages come to: put together, dated, refused, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.mqtt import Listener, home_assistant, mqtt_source, state, values_of

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PLUG = {"topic": "meters/{device}/power", "pointer": "/w", "quantity": "POWER", "unit": "W"}
TIMED_PLUG = {**PLUG, "time": "/ts"}


def listener(*topics: dict[str, Any], now: datetime = NOON, **fields: Any) -> Listener:
    return Listener(mqtt_source(*topics, **fields), now=now)


class TestTogether:
    def test_two_states_whose_messages_come_mixed_keep_their_times(self) -> None:
        heard = home_assistant(NOON)
        later = NOON + timedelta(seconds=1)
        first, second = state("grid", "100", NOON), state("grid", "200", later)
        mixed = [message for pair in zip(first, second, strict=True) for message in pair]

        found = heard.values(*(heard.message(*each) for each in mixed))

        assert [(at, value) for *_, at, value in found] == [(NOON, 0.1), (later, 0.2)]

    def test_what_was_retained_is_not_put_together_with_what_is_new(self) -> None:
        heard = home_assistant(NOON)
        old, new = state("grid", "100", NOON), state("grid", "200", NOON + timedelta(seconds=9))

        found = heard.values(
            heard.message(*old[1], is_retained=True),
            *(heard.message(*each) for each in new),
        )

        assert [value for *_, value in found] == [0.2]

    def test_it_waits_for_the_rest_and_is_not_settled_before(self) -> None:
        heard = home_assistant(NOON)
        messages = [heard.message(*each) for each in state("grid", "100", NOON)[:4]]

        assert heard.values(*messages[:2]) == []
        assert [each.is_settled for each in messages[:2]] == [False, False]
        assert len(heard.values(*messages[2:])) == 1
        assert all(each.is_settled for each in messages)

    def test_a_value_whose_time_does_not_come_is_refused(self) -> None:
        heard = home_assistant(NOON)
        message = heard.message("ha/sensor/grid/state", "100")
        heard.values(message)
        heard.now += timedelta(seconds=3)

        read = heard.hear()

        assert [str(each) for each in read.refused.first] == [
            "ha/sensor/grid/state: no last_updated came with it"
        ]
        assert message.is_settled

    def test_what_came_before_a_cut_comes_again_and_is_not_put_together_with_what_follows(
        self,
    ) -> None:
        heard = home_assistant(NOON)
        first, second = state("grid", "100", NOON), state("grid", "200", NOON + SECOND)
        assert heard.values(heard.message(*first[0])) == []
        heard.connected = heard.now = NOON + SECOND / 2

        found = heard.values(*(heard.message(*each) for each in (*first, *second)))

        assert [(at, value) for *_, at, value in found] == [(NOON, 0.1), (NOON + SECOND, 0.2)]

    def test_a_time_without_a_value_before_it_belongs_to_nothing(self) -> None:
        """We begin to listen in between."""
        heard = home_assistant(NOON)
        first, second = state("grid", "100", NOON), state("grid", "200", NOON + SECOND)

        found = heard.values(*(heard.message(*each) for each in (*first[1:], *second)))

        assert [(at, value) for *_, at, value in found] == [(NOON + SECOND, 0.2)]

    def test_a_sensor_of_something_else_is_no_mistake(self) -> None:
        heard = home_assistant(NOON)

        read = heard.hear(*(heard.message(*each) for each in state("t", "12", NOON, unit="kWh")))

        assert (read.measurements, read.refused.count) == (None, 0)

    @pytest.mark.parametrize("unit", ["°C", "V", "", "var", "\\u00b0C"])
    def test_of_whatever_it_is(self, unit: str) -> None:
        heard = home_assistant(NOON)

        said = [heard.message(*each) for each in state("bath", "21.5", NOON, unit=unit)]

        assert heard.values(*said) == []
        assert heard.hear().refused.count == 0

    def test_nor_one_without_a_unit(self) -> None:
        """A text, such as what a dishwasher does."""
        heard = home_assistant(NOON)
        said = [
            heard.message(*each)
            for each in state("washer", '"rinsing"', NOON)
            if not each[0].endswith("unit_of_measurement")
        ]

        assert heard.values(*said) == []
        assert heard.hear().refused.count == 0

    def test_a_thousandth_of_a_watt_is_no_megawatt(self) -> None:
        heard = home_assistant(NOON)

        read = heard.hear(*(heard.message(*each) for each in state("t", "500", NOON, unit="mW")))

        assert [each.reason for each in read.refused.first] == ["mW is a thousandth of W"]

    def test_what_dsmr_reader_does_not_repeat_is_as_it_was(self) -> None:
        heard = listener(
            {"topic": "dsmr/reading/{field}", "device": "P1", "profile": "dsmr-reader"}
        )
        messages = [
            ("timestamp", "2026-03-01T12:00:00Z"),
            ("electricity_currently_delivered", "1.5"),
            ("electricity_currently_returned", "0.0"),
            ("timestamp", "2026-03-01T12:00:10Z"),
            ("electricity_currently_delivered", "1.6"),
            ("timestamp", "2026-03-01T12:00:20Z"),
        ]

        found = heard.values(*(heard.message(f"dsmr/reading/{n}", text) for n, text in messages))

        assert [(direction, at - NOON, value) for _, _, direction, _, at, value in found] == [
            ("IMPORT", timedelta(0), 1.5),
            ("EXPORT", timedelta(0), 0.0),
            ("IMPORT", timedelta(seconds=10), 1.6),
            ("EXPORT", timedelta(seconds=10), 0.0),
        ]

    def test_the_next_time_ends_what_belongs_to_the_one_before(self) -> None:
        heard = listener(
            {"topic": "dsmr/reading/{field}", "device": "P1", "profile": "dsmr-reader"}
        )

        found = heard.values(
            heard.message("dsmr/reading/timestamp", "2026-03-01T12:00:00Z"),
            heard.message("dsmr/reading/electricity_delivered_1", "1"),
            heard.message("dsmr/reading/timestamp", "2026-03-01T12:00:10Z"),
            heard.message("dsmr/reading/electricity_delivered_2", "2"),
        )

        assert [(channel, at, value) for _, _, _, channel, at, value in found] == [("1", NOON, 1.0)]


class TestTimes:
    def test_without_a_time_an_old_message_is_no_reading(self) -> None:
        heard = listener(PLUG)

        read = heard.hear(heard.message("meters/a/power", {"w": 1}, is_retained=True))

        assert (read.measurements, read.ignored) == (None, 1)

    def test_with_a_time_it_is_one(self) -> None:
        heard = listener(TIMED_PLUG)
        message = heard.message(
            "meters/a/power", {"w": 1, "ts": "2026-03-01T11:00:00Z"}, is_retained=True
        )

        assert len(heard.values(message)) == 1

    @pytest.mark.parametrize(
        ("now", "expected"),
        [
            (datetime(2026, 10, 25, 0, 31, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
            (datetime(2026, 10, 25, 1, 31, tzinfo=UTC), datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ],
    )
    def test_an_hour_that_the_clock_showed_twice_is_the_one_that_is_now(
        self, now: datetime, expected: datetime
    ) -> None:
        heard = listener(TIMED_PLUG, now=now, time_zone="Europe/Copenhagen")
        heard.connected = datetime(2026, 10, 24, tzinfo=UTC)

        ((*_, at, _),) = heard.values(
            heard.message("meters/a/power", {"w": 1, "ts": "2026-10-25T02:30:00"})
        )

        assert at == expected

    def test_what_can_only_be_of_the_first_time_is(self) -> None:
        now = datetime(2026, 10, 25, 0, 50, 5, tzinfo=UTC)
        heard = listener(TIMED_PLUG, now=now, time_zone="Europe/Copenhagen")

        ((*_, at, _),) = heard.values(
            heard.message("meters/a/power", {"w": 1, "ts": "2026-10-25T02:49:50"})
        )

        assert at == datetime(2026, 10, 25, 0, 49, 50, tzinfo=UTC)

    def test_what_waited_at_the_broker_is_no_value_of_now(self) -> None:
        """A topic that had a time before, or overlaps with one that has."""
        heard = listener(PLUG)
        message = heard.message("meters/a/power", {"w": 1})
        message.is_kept = True

        read = heard.hear(message)

        assert (read.measurements, read.ignored) == (None, 1)

    def test_what_may_have_waited_at_the_broker_is_not_guessed(self) -> None:
        now = datetime(2026, 10, 25, 3, 0, tzinfo=UTC)
        heard = listener(TIMED_PLUG, now=now, time_zone="Europe/Copenhagen")

        read = heard.hear(heard.message("meters/a/power", {"w": 1, "ts": "2026-10-25T02:30:00"}))

        assert "showed this time twice" in read.refused.first[0].reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\xfe", "it is no JSON"),
        ("{", "it is no JSON"),
        ("[" * 10_000, "it is no JSON"),
        ({"w": 1}, "it has values and no time"),
        ({"w": 1, "ts": "soon"}, "'soon' is no time that can be read"),
        ({"w": 1, "ts": "2026-03-01T12:00:00"}, "has no offset, and no time zone is given"),
        ({"w": 1, "ts": 17}, "time: 17 is no time of a measurement, in s since 1970"),
        ({"w": 1, "ts": 1e300}, "is no time of a measurement"),
        ({"w": 1, "ts": True}, "time: 'True' is no time that can be read"),
        ({"w": True, "ts": 1772366400}, "value: 'True' is no number"),
        ({"w": [1, 2], "ts": 1772366400}, "value: '[1, 2]' is no number"),
        ({"w": "much", "ts": 1772366400}, "value: 'much' is no number"),
        ('{"w": 1e999, "ts": 1772366400}', "value: it is no number that can be"),
        ('{"w": ' + "9" * 350 + ', "ts": 1772366400}', "value: it is no number that can be"),
        ({"w": 1, "x": "x" * (1 << 16)}, "it is larger than 64 KiB"),
    ],
)
def test_what_is_no_measurement_is_refused_with_its_topic(body: Any, reason: str) -> None:
    heard = listener(TIMED_PLUG)

    read = heard.hear(heard.message("meters/a/power", body))

    (refusal,) = read.refused.first
    assert reason in refusal.reason
    assert str(refusal).startswith("meters/a/power: ")
    assert values_of(read) == []


@pytest.mark.parametrize("absent", [None, "unavailable", "unknown", "", "NaN"])
def test_absent_is_not_zero(absent: Any) -> None:
    heard = listener(TIMED_PLUG)

    assert heard.values(heard.message("meters/a/power", {"w": absent, "ts": 1772366400})) == []


def test_one_bad_value_does_not_refuse_the_others_of_its_message() -> None:
    heard = listener({"topic": "zigbee2mqtt/{device}", "profile": "zigbee2mqtt"})

    read = heard.hear(heard.message("zigbee2mqtt/plug", {"power": "?", "energy": 4.2}))

    assert [value for *_, value in values_of(read)] == [4.2]
    assert read.refused.count == 1


def test_an_empty_message_takes_back_what_was_retained() -> None:
    heard = listener(TIMED_PLUG)

    read = heard.hear(heard.message("meters/a/power", b""))

    assert (read.refused.count, read.ignored) == (0, 1)


def test_a_channel_may_be_given_to_a_profile() -> None:
    heard = listener(
        {"topic": "{device}/status/switch:1", "profile": "shelly-status", "channel": "1"}
    )

    found = heard.values(heard.message("shelly-1/status/switch:1", {"apower": 50.0}))

    assert [(channel, value) for _, _, _, channel, _, value in found] == [("1", 0.05)]
