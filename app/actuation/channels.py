"""Keeps a channel to each actuator of the file, as the file changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from app.actuation.actuators import ActuatorsFile, HttpActuator, MqttActuator
from app.actuation.errors import ActuatorsError
from app.actuation.order import Key
from app.mqtt import BrokerLoop


class Channel(Protocol):
    """A way to devices."""

    def start(self) -> None: ...

    def write(self, keys: Sequence[Key]) -> None: ...

    def show(
        self, actuators: Mapping[Key, str], opted_out: Collection[tuple[str, str]]
    ) -> None: ...

    def retire(self) -> None: ...

    def close(self) -> None: ...


class Channels:
    """To be called every few seconds: connects as the file says now. Safe for several threads."""

    def __init__(
        self,
        *,
        actuators: ActuatorsFile,
        loop: BrokerLoop,
        make_mqtt: Callable[..., Channel],
        make_http: Callable[..., Channel],
    ) -> None:
        self._actuators = actuators
        self._loop = loop
        self._make_mqtt = make_mqtt
        self._make_http = make_http
        self._lock = threading.Lock()
        self._running: dict[str, tuple[MqttActuator | HttpActuator, Channel]] = {}
        self._shown: tuple[Mapping[Key, str], Collection[tuple[str, str]]] | None = None
        """Whose device has which actuator, and who has opted out; None: that is not known yet."""
        self._retired: list[Channel] = []
        """They take away what they have shown, until the next call."""
        self._closed = False

    def __call__(self) -> None:
        """Begin with those that are new, and end those that are gone or changed."""
        try:
            wanted = self._actuators.all()
        except ActuatorsError:
            return  # which is said where the file is read
        with self._lock:
            if self._closed:
                return
            retired, self._retired = self._retired, []
            for channel in retired:
                channel.close()
            for name, (actuator, channel) in list(self._running.items()):
                after = wanted.get(name)
                if after == actuator:
                    continue
                del self._running[name]
                if after is not None and after.shown_at == actuator.shown_at:
                    channel.close()
                else:
                    channel.retire()
                    self._retired.append(channel)
            for name, actuator in wanted.items():
                if name not in self._running:
                    make = (
                        self._make_mqtt if isinstance(actuator, MqttActuator) else self._make_http
                    )
                    channel = make(actuator, folder=self._actuators.folder)
                    self._running[name] = actuator, channel
                    if self._shown is not None:
                        channel.show(*self._shown)
                    channel.start()

    def write(self, actuator: str, keys: Sequence[Key]) -> None:
        """Write these orders there; to an actuator that is not in the file, none is."""
        with self._lock:
            running = self._running.get(actuator)
        if running is not None:
            running[1].write(keys)

    def show(self, actuators: Mapping[Key, str], opted_out: Collection[tuple[str, str]]) -> None:
        """All devices that may be given orders, by which actuator, and who has opted out."""
        with self._lock:
            self._shown = actuators, opted_out
            running = list(self._running.values())
        for _, channel in running:
            channel.show(actuators, opted_out)

    def close(self) -> None:
        """Write nothing more. May be called again."""
        with self._lock:
            self._closed = True
            channels = [*self._retired, *(channel for _, channel in self._running.values())]
            self._retired, self._running = [], {}
        for channel in channels:
            channel.close()
        self._loop.close()
