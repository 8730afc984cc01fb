"""A device at a broker: it connects to us, and what it sends is read on its way to the broker."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from app.actuation import Outcome
from app.device_check.errors import LinkError
from app.device_check.packets import PacketReader
from app.device_check.seen import Observed

Address = tuple[str, int]
READ_BYTES = 1 << 16
LOOKS_EVERY_S = 0.02
CONNECT_TIMEOUT_S = 5.0


class MqttLink:
    """Listens for the device, and publishes its orders as the fleet does: retained, with an expiry.

    `listen`, `broker`: host and port. OSError: it cannot listen, or the broker cannot be reached.
    """

    can_be_cut = True

    def __init__(
        self,
        *,
        topic: str,
        listen: Address,
        broker: Address,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        self._topic = topic
        self._broker = broker
        self.seen = Observed(topic=topic)
        self.problem = ""
        """What the device sent that is no MQTT."""
        self._lock = threading.Lock()
        self._asked_at = 0
        """How many outcomes there were when the last order was sent."""
        self._is_cut = False
        self._connections: set[socket.socket] = set()
        self._listener = socket.create_server(listen)
        self._publisher = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        if username is not None:
            self._publisher.username_pw_set(username, password)
        self._taken_in, self._refusal = threading.Event(), ""
        self._publisher.on_connect = self._heard_of_connection
        self._publisher.connect(*broker)
        self._publisher.loop_start()
        if not self._taken_in.wait(CONNECT_TIMEOUT_S) or self._refusal:
            raise LinkError(f"the broker: {self._refusal or 'no answer'}")
        threading.Thread(target=self._accept_each, name="device-check", daemon=True).start()

    def monotonic(self) -> float:
        """In seconds."""
        return time.monotonic()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._listener.getsockname()[1])

    def is_back(self, *, within_s: float) -> bool:
        """Wait until it has subscribed to its orders."""
        return self._await(lambda: self.seen.qos is not None, within_s)

    def send(self, body: bytes, *, kept_s: float) -> None:
        """Publish an order, or what is none."""
        properties = None
        if body:
            properties = Properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = max(int(kept_s), 1)
        with self._lock:
            self._asked_at = len(self.seen.outcomes)
        told = self._publisher.publish(
            f"{self._topic}/desired", body, qos=1, retain=True, properties=properties
        )
        with suppress(RuntimeError, ValueError):  # paho's, where there is no connection
            told.wait_for_publish(CONNECT_TIMEOUT_S)
        if not told.is_published():
            raise LinkError(f"the broker does not take {self._topic}/desired")

    def outcome(self, seq: int, *, within_s: float) -> Outcome | None:
        """What it answers, from when the order was sent."""
        found: list[Outcome] = []

        def is_there() -> bool:
            with self._lock:
                bodies = [each.body for each in self.seen.outcomes[self._asked_at :]]
            found[:] = [answer for answer in map(_outcome, bodies) if answer is not None]
            return any(answer.seq == seq for answer in found)

        self._await(is_there, within_s)
        return next((answer for answer in found if answer.seq == seq), None)

    def cut(self) -> None:
        """Break its connection, and take no other."""
        with self._lock:
            self._is_cut = True
            connections, self._connections = self._connections, set()
            self.seen.qos = None
        for connection in connections:
            _end(connection)

    def mend(self) -> None:
        """Let it connect again."""
        self._is_cut = False

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def close(self) -> None:
        """Leave nothing at the broker."""
        self.cut()
        self._listener.close()
        self._publisher.publish(f"{self._topic}/desired", b"", qos=1, retain=True)
        self._publisher.disconnect()
        self._publisher.loop_stop()

    def _heard_of_connection(
        self, _client: Any, _data: Any, _flags: Any, code: Any, _: Any
    ) -> None:
        self._refusal = str(code) if code.is_failure else ""
        self._taken_in.set()

    def _await(self, holds: Callable[[], bool], within_s: float) -> bool:
        ends_s = time.monotonic() + within_s
        while not holds():
            if time.monotonic() >= ends_s:
                return False
            time.sleep(LOOKS_EVERY_S)
        return True

    def _accept_each(self) -> None:
        while True:
            try:
                device, _ = self._listener.accept()
            except OSError:
                return  # it is closed
            if self._is_cut:
                _end(device)
                continue
            try:
                broker = socket.create_connection(self._broker, CONNECT_TIMEOUT_S)
            except OSError:
                _end(device)
                continue
            broker.settimeout(None)
            with self._lock:
                self._connections |= {device, broker}
            for name, pump in (
                ("to the broker", lambda d=device, b=broker: self._pass_on(d, b, PacketReader())),
                ("to the device", lambda d=device, b=broker: self._pass_on(b, d, None)),
            ):
                threading.Thread(target=pump, name=f"device-check {name}", daemon=True).start()

    def _pass_on(
        self, from_: socket.socket, to: socket.socket, reader: PacketReader | None
    ) -> None:
        """Until either end is gone; what comes from the device is read."""
        try:
            while data := from_.recv(READ_BYTES):
                if reader is not None:
                    with self._lock:
                        for packet in reader.feed(data):
                            self.seen.see(packet, time.monotonic())
                to.sendall(data)
        except OSError:
            pass  # the one end or the other is gone, and so is the connection
        except ValueError as error:
            self.problem = str(error)
        finally:
            if reader is not None:
                with self._lock:
                    self.seen.ended(time.monotonic())
            _end(from_)
            _end(to)


def _outcome(body: bytes) -> Outcome | None:
    try:
        return Outcome.read(body)
    except ValueError:
        return None


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # it is over already
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
