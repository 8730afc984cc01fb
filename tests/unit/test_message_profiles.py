"""What messages of devices come to, by the profiles that are shipped."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.mqtt import Listener, home_assistant, mqtt_source, state

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


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
        """A field that is not there is not 0; what is returned is in `aenergy`, too."""
        heard = listener({"topic": "{device}/events/rpc", "profile": "shelly-events"})
        body = {
            "src": "shellyplus1pm-a8032ab1",
            "method": "NotifyStatus",
            "params": {
                "ts": 1772366400.5,
                "switch:0": {"id": 0, "aenergy": {"total": 1500.0, "by_minute": [0.0]}},
                "switch:1": {
                    "id": 1,
                    "apower": -40.0,
                    "aenergy": {"total": 5000.0},
                    "ret_aenergy": {"total": 4900.0},
                },
            },
        }

        found = heard.values(heard.message("shelly-1/events/rpc", body))

        at = NOON + timedelta(seconds=0.5)
        assert found == [
            ("shelly-1", "POWER", "NET", "switch:1", at, -0.04),
            ("shelly-1", "REGISTER", "IMPORT", "switch:1", at, 0.1),
            ("shelly-1", "REGISTER", "EXPORT", "switch:1", at, 4.9),
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
        heard = home_assistant(NOON)

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
