"""What messages of devices come to, by the profiles that are shipped and by topics of one's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.mqtt import Listener, mqtt_source, values_of

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
PLUG = {"topic": "meters/{device}/power", "pointer": "/w", "quantity": "POWER", "unit": "W"}
TIMED_PLUG = {**PLUG, "time": "/ts"}


def listener(*topics: dict[str, Any], now: datetime = NOON, **fields: Any) -> Listener:
    return Listener(mqtt_source(*topics, **fields), now=now)


class TestProfiles:
    def test_tasmota(self) -> None:
        heard = listener(
            {"topic": "tele/{device}/SENSOR", "profile": "tasmota"}, time_zone="Europe/Copenhagen"
        )
        body = {
            "Time": "2026-03-01T12:59:50",
            "ENERGY": {
                "TotalStartTime": "2025-01-01T00:00:00",
                "Total": 12.345,
                "Today": 0.5,
                "Power": 63,
                "Voltage": 231,
                "ExportActive": 1.5,
            },
        }

        found = heard.values(heard.message("tele/washer/SENSOR", body))

        at = datetime(2026, 3, 1, 11, 59, 50, tzinfo=UTC)
        assert found == [
            ("washer", "POWER", "NET", "", at, 0.063),
            ("washer", "REGISTER", "IMPORT", "", at, 12.345),
            ("washer", "REGISTER", "EXPORT", "", at, 1.5),
        ]

    def test_shelly_events_hold_what_changed(self) -> None:
        """A field that is not there is not 0; returned energy stands apart."""
        heard = listener({"topic": "{device}/events/rpc", "profile": "shelly-events"})
        body = {
            "src": "shellyplus1pm-a8032ab1",
            "method": "NotifyStatus",
            "params": {
                "ts": 1772366400.5,
                "switch:0": {"id": 0, "aenergy": {"total": 1500.0, "by_minute": [0.0]}},
                "switch:1": {"id": 1, "apower": -40.0, "ret_aenergy": {"total": 20.0}},
            },
        }

        found = heard.values(heard.message("shelly-1/events/rpc", body))

        at = NOON + timedelta(seconds=0.5)
        assert found == [
            ("shelly-1", "REGISTER", "IMPORT", "switch:0", at, 1.5),
            ("shelly-1", "POWER", "NET", "switch:1", at, -0.04),
            ("shelly-1", "REGISTER", "EXPORT", "switch:1", at, 0.02),
        ]

    def test_a_shelly_button_is_no_reading(self) -> None:
        heard = listener({"topic": "{device}/events/rpc", "profile": "shelly-events"})
        body = {"method": "NotifyEvent", "params": {"ts": 1772366400.0, "events": []}}

        read = heard.hear(heard.message("shelly-1/events/rpc", body))

        assert (read.measurements, read.refused.count, read.ignored) == (None, 0, 1)

    def test_shelly_status_is_dated_when_it_comes(self) -> None:
        heard = listener({"topic": "{device}/status/switch:0", "profile": "shelly-status"})
        body = {"id": 0, "output": True, "apower": 120.5, "aenergy": {"total": 10.0}}

        found = heard.values(heard.message("shelly-1/status/switch:0", body))

        assert found == [
            ("shelly-1", "POWER", "NET", "", NOON, 0.1205),
            ("shelly-1", "REGISTER", "IMPORT", "", NOON, 0.01),
        ]

    @pytest.mark.parametrize(
        ("last_seen", "unit"),
        [("2026-03-01T12:00:00.000Z", "s"), (1772366400000, "ms"), ("1772366400000", "ms")],
    )
    def test_zigbee2mqtt_with_last_seen(self, last_seen: Any, unit: str) -> None:
        heard = listener(
            {
                "topic": "zigbee2mqtt/{device}",
                "profile": "zigbee2mqtt",
                "time": "/last_seen",
                "time_unit": unit,
            },
            now=NOON + timedelta(minutes=5),
        )
        body = {"state": "ON", "power": 12.5, "energy": 4.2, "last_seen": last_seen}

        found = heard.values(heard.message("zigbee2mqtt/plug", body))

        assert found == [
            ("plug", "POWER", "NET", "", NOON, 0.0125),
            ("plug", "REGISTER", "IMPORT", "", NOON, 4.2),
        ]

    def test_home_assistant_says_value_time_and_unit_on_three_topics(self) -> None:
        heard = home_assistant()

        found = heard.values(*(heard.message(*each) for each in state("grid", "1250.0", NOON)))

        assert found == [("grid", "POWER", "NET", "", NOON, 1.25)]

    def test_dsmr_reader_says_each_field_on_a_topic(self) -> None:
        heard = listener(
            {"topic": "dsmr/reading/{field}", "device": "P1", "profile": "dsmr-reader"}
        )
        fields = {
            "timestamp": "2026-03-01T13:00:00+01:00",
            "electricity_delivered_1": "1000.5",
            "electricity_returned_1": "0.000",
            "electricity_delivered_2": "2000.25",
            "electricity_returned_2": "10.0",
            "electricity_currently_delivered": "0.000",
            "electricity_currently_returned": "1.5",
            "phase_currently_delivered_l1": "0.0",
        }

        found = heard.values(
            *(heard.message(f"dsmr/reading/{name}", text) for name, text in fields.items())
        )

        assert found == [
            ("P1", "REGISTER", "IMPORT", "1", NOON, 1000.5),
            ("P1", "REGISTER", "IMPORT", "2", NOON, 2000.25),
            ("P1", "REGISTER", "EXPORT", "1", NOON, 0.0),
            ("P1", "REGISTER", "EXPORT", "2", NOON, 10.0),
            ("P1", "POWER", "IMPORT", "", NOON, 0.0),
            ("P1", "POWER", "EXPORT", "", NOON, 1.5),
        ]

    def test_plain_numbers(self) -> None:
        heard = listener({"topic": "meters/{device}/power", "profile": "watts"})

        assert heard.values(heard.message("meters/a/power", "63")) == [
            ("a", "POWER", "NET", "", NOON, 0.063)
        ]

    @pytest.mark.parametrize("ts", ["2026-03-01T12:00:00Z", 1772366400, 1772366400.0])
    def test_power_and_time(self, ts: Any) -> None:
        heard = listener({"topic": "meters/{device}", "profile": "power-kw"})

        assert heard.values(heard.message("meters/a", {"power_kw": 1.5, "ts": ts})) == [
            ("a", "POWER", "NET", "", NOON, 1.5)
        ]


def home_assistant() -> Listener:
    return listener({"topic": "ha/sensor/{device}/{field}", "profile": "home-assistant"})


def state(device: str, value: str, at: datetime, unit: str = "W") -> list[tuple[str, str]]:
    """What Home Assistant publishes of a sensor, in its order."""
    base = f"ha/sensor/{device}"
    return [
        (f"{base}/state", value),
        (f"{base}/last_updated", at.isoformat()),
        (f"{base}/last_changed", at.isoformat()),
        (f"{base}/unit_of_measurement", f'"{unit}"'),
        (f"{base}/friendly_name", '"Grid"'),
    ]


class TestTogether:
    def test_two_states_whose_messages_come_mixed_keep_their_times(self) -> None:
        heard = home_assistant()
        later = NOON + timedelta(seconds=1)
        first, second = state("grid", "100", NOON), state("grid", "200", later)
        mixed = [message for pair in zip(first, second, strict=True) for message in pair]

        found = heard.values(*(heard.message(*each) for each in mixed))

        assert [(at, value) for *_, at, value in found] == [(NOON, 0.1), (later, 0.2)]

    def test_what_was_retained_is_not_put_together_with_what_is_new(self) -> None:
        heard = home_assistant()
        old, new = state("grid", "100", NOON), state("grid", "200", NOON + timedelta(seconds=9))

        found = heard.values(
            heard.message(*old[1], is_retained=True),
            *(heard.message(*each) for each in new),
        )

        assert [value for *_, value in found] == [0.2]

    def test_it_waits_for_the_rest_and_is_not_settled_before(self) -> None:
        heard = home_assistant()
        messages = [heard.message(*each) for each in state("grid", "100", NOON)[:4]]

        assert heard.values(*messages[:2]) == []
        assert [each.is_settled for each in messages[:2]] == [False, False]
        assert len(heard.values(*messages[2:])) == 1
        assert all(each.is_settled for each in messages)

    def test_a_value_whose_time_does_not_come_is_refused(self) -> None:
        heard = home_assistant()
        message = heard.message("ha/sensor/grid/state", "100")
        heard.values(message)
        heard.now_s += 3

        read = heard.hear()

        assert [str(each) for each in read.refused.first] == [
            "ha/sensor/grid/state: no last_updated came with it"
        ]
        assert message.is_settled

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
