"""Devices as Home Assistant shows them: sensors of what is asked, and a switch to opt out.

By its MQTT discovery: each entity is a retained message that describes it. The entities read the
orders themselves, and the switch answers as a device does (device-contract.md).
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from app.actuation.actuators import MqttActuator
from app.actuation.order import Key, OutcomeStatus
from app.actuation.sessions import session_of
from app.mqtt import BrokerLoop, Message, Outgoing, Publishing
from app.platform import LogOnce

logger = logging.getLogger(__name__)
DISCOVERY = "homeassistant"
ON, OFF = b"ON", b"OFF"
ID_CHARACTERS = 16


class Entities:
    """What Home Assistant is told of the devices of one actuator. Safe for several threads.

    `run`: the id of the store, which keeps the entities of two fleets apart.
    """

    def __init__(self, actuator: MqttActuator, *, run: str) -> None:
        self._actuator = actuator
        self._node = f"ven-fleet-{run}-{_id(actuator.name)}"
        self._lock = threading.Lock()
        self._shown: dict[Key, bool] | None = None
        """Each device, and whether it has opted out; None: that is not known yet."""
        self._ids: frozenset[str] = frozenset()
        """Of these devices."""
        self._retained: dict[str, str] = {}
        """Topics that the broker retains, and the id of the device that each is about."""
        self._due: OrderedDict[str, bytes] = OrderedDict()
        """Topics, and what is to be retained there; empty: nothing."""

    @property
    def filter(self) -> str:
        """What the broker retains of them: also of devices that are gone."""
        return f"{DISCOVERY}/+/{self._node}/+/config"

    def show(self, devices: Mapping[Key, bool]) -> None:
        """These devices and no others, and whether each has opted out."""
        with self._lock:
            before, self._shown = self._shown or {}, dict(devices)
            self._ids = frozenset(_id(*key) for key in devices)
            for key in before.keys() - devices.keys():
                self._due.update(dict.fromkeys(self._topics(key), b""))
            for key, is_out in devices.items():
                if key not in before:
                    self._due.update(self._entities(key))
                if before.get(key) != is_out:
                    self._due[self._state_topic(key)] = ON if is_out else OFF
            self._take_away()

    def connected(self) -> None:
        """Tell everything anew."""
        with self._lock:
            for key, is_out in (self._shown or {}).items():
                self._due.update(self._entities(key))
                self._due[self._state_topic(key)] = ON if is_out else OFF

    def retained(self, topic: str) -> None:
        """The broker retains this one."""
        with self._lock:
            self._retained[topic] = topic.split("/")[-2][:ID_CHARACTERS]
            self._take_away()

    def _take_away(self) -> None:
        """What is retained of devices that are gone."""
        if self._shown is not None:
            for topic, device in self._retained.items():
                if device not in self._ids:
                    self._due[topic] = b""
            self._retained = {}

    def next(self) -> Outgoing | None:
        """What is to be published now."""
        with self._lock:
            if not self._due:
                return None
            topic, body = self._due.popitem(last=False)
            return Outgoing(topic=topic, body=body, is_retained=True)

    def _state_topic(self, key: Key) -> str:
        return self._actuator.topic(*key, "opted_out")

    def _topics(self, key: Key) -> Iterator[str]:
        yield from self._entities(key)
        yield self._state_topic(key)

    def _entities(self, key: Key) -> dict[str, bytes]:
        """By the topic that describes each."""
        unique = f"{self._node}-{_id(*key)}"
        shared = {
            "availability_topic": self._actuator.status_topic,
            "device": {
                "identifiers": [unique],
                "name": f"{key.ven_name} {key.resource_name}",
                "manufacturer": "VEN fleet",
                "model": self._actuator.name,
            },
            "qos": 1,
        }
        return {
            f"{DISCOVERY}/{component}/{self._node}/{_id(*key)}-{what}/config": orjson.dumps(
                {**shared, "unique_id": f"{unique}-{what}", **entity}
            )
            for component, what, entity in self._described(key)
        }

    def _described(self, key: Key) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Component, what it is, and what is its own about it."""
        desired = self._actuator.topic(*key, "desired")
        valid_for_s = int(self._actuator.valid_for.total_seconds())
        for what, name in (
            ("setpoint_kw", "Set point"),
            ("import_limit_kw", "Import limit"),
            ("export_limit_kw", "Export limit"),
        ):
            yield (
                "sensor",
                what,
                {
                    "name": name,
                    "state_topic": desired,
                    "value_template": _asked(f"value_json.{what}"),
                    "device_class": "power",
                    "unit_of_measurement": "kW",
                    "expire_after": valid_for_s,
                },
            )
        until = {
            "name": "Until",
            "state_topic": desired,
            # What is no time is a warning there.
            "value_template": _asked("value_json.until", otherwise="now().isoformat()"),
            "device_class": "timestamp",
            "expire_after": valid_for_s,
        }
        yield "sensor", "until", until
        asked = {
            "name": "Asked",
            "state_topic": desired,
            "value_template": _asked("'ON'", otherwise="'OFF'"),
            "off_delay": valid_for_s,
        }
        yield "binary_sensor", "asked", asked
        opt_out = {
            "name": "Opt out",
            "command_topic": self._actuator.topic(*key, "outcome"),
            "payload_on": _outcome(OutcomeStatus.OPTED_OUT),
            "payload_off": _outcome(OutcomeStatus.OPTED_IN),
            "state_topic": self._state_topic(key),
            "state_on": ON.decode(),
            "state_off": OFF.decode(),
        }
        yield "switch", "opt-out", opt_out


class HomeAssistant:
    """A connection of its own to the broker of an actuator: answers of devices do not wait behind
    what a large fleet is described with."""

    def __init__(
        self,
        actuator: MqttActuator,
        *,
        run: str,
        folder: Path,
        loop: BrokerLoop,
        log_once: LogOnce,
    ) -> None:
        self._name = actuator.name
        self._entities = Entities(actuator, run=run)
        self._loop = loop
        self._log_once = log_once
        self._session = session_of(
            actuator,
            folder=folder,
            client_id=f"{actuator.client_id}-{run}-homeassistant",
            hears=self._entities.filter,
            on_message=self._received,
            on_subscribed=self._subscribed,
            on_disconnected=lambda _: None,  # the connection of the orders says it
            publishing=Publishing(
                outgoing=lambda _: self._entities.next(), on_refused=self._not_taken
            ),
        )

    def start(self) -> None:
        """Connect."""
        self._loop.add(self._session)

    def show(self, devices: Mapping[Key, bool]) -> None:
        """These devices and no others, and whether each has opted out."""
        self._entities.show(devices)
        self._loop.flush(self._session)

    def close(self) -> None:
        """What is shown stays as it is."""
        self._loop.remove(self._session)

    def _subscribed(self, _: frozenset[str]) -> None:
        if self._session.is_up:
            self._entities.connected()
            self._loop.flush(self._session)

    def _received(self, message: Message) -> None:
        if message.body:  # what we have taken away ourselves comes back, too
            self._entities.retained(message.topic)
            self._loop.flush(self._session)

    def _not_taken(self, topic: str, reason: str) -> None:
        self._log_once(
            logger,
            logging.WARNING,
            f"actuator {self._name}: the broker does not take {topic} (Home Assistant's): {reason}",
            about=f"{self._name} homeassistant {reason}",
        )


def _asked(value: str, *, otherwise: str = "none") -> str:
    """A template: this value of an order; of a release, and of an empty message, the other one."""
    return f"{{{{ {value} if value_json is defined and not value_json.release else {otherwise} }}}}"


def _outcome(status: OutcomeStatus) -> str:
    return orjson.dumps({"seq": 0, "status": status, "reason": "Home Assistant"}).decode()


def _id(*names: str) -> str:
    """For a topic, which has fewer characters than names have."""
    return hashlib.sha256("\0".join(names).encode()).hexdigest()[:ID_CHARACTERS]
