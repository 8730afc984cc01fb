"""Keeps a subscriber for each MQTT source of the file, as the file and the fleet change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from app.intake.errors import SourcesError
from app.intake.http import TakesMeasurements
from app.intake.mqtt.devices import HeardDevices
from app.intake.mqtt.subscriber import MqttSubscriber
from app.intake.sources import MqttSource
from app.intake.sources_file import SourcesFile
from app.mqtt import BrokerLoop
from app.platform import DatabaseError

logger = logging.getLogger(__name__)


class MqttSources:
    """To be called every few seconds: subscribes as the file of sources says now.

    The session of a source that is gone is ended at the broker when it is still gone at the next
    call: a file may be read while it is written. `split_intake`: for what brokers kept from before
    the fleet was cut.
    """

    def __init__(
        self,
        *,
        sources: SourcesFile,
        heard: HeardDevices,
        loop: BrokerLoop,
        make: Callable[..., MqttSubscriber],
        split_intake: TakesMeasurements,
    ) -> None:
        self._sources = sources
        self._heard = heard
        self._loop = loop
        self._make = make
        self._split_intake = split_intake
        self._lock = threading.Lock()
        self._running: dict[str, tuple[MqttSource, MqttSubscriber]] = {}
        self._missing: set[str] = set()
        self._former: dict[str, tuple[MqttSource, MqttSubscriber]] = {}
        """Of sessions that brokers keep of before the fleet was cut."""
        self._is_closed = False

    def __call__(self) -> None:
        """Begin with those that are new, and end those that are gone or changed."""
        try:
            sources = self._sources.all()
        except SourcesError:
            return  # which is said where the file is read
        wanted = {
            name: source for name, source in sources.items() if isinstance(source, MqttSource)
        }
        with self._lock:
            if not self._is_closed:
                self._follow(wanted)
                self._follow_former(wanted)

    def _follow(self, wanted: Mapping[str, MqttSource]) -> None:
        former = {name: source for name, (source, _) in self._running.items()}
        sessions = {source.session for source in wanted.values()}
        for name, (source, subscriber) in list(self._running.items()):
            if name not in wanted and name not in self._missing:
                self._missing.add(name)
            elif wanted.get(name) != source:
                del self._running[name]
                subscriber.close(forget=source.session not in sessions)
        self._missing -= wanted.keys()
        self._missing &= self._running.keys()
        for name, source in wanted.items():
            devices = self._heard.devices(name)
            if name in self._running:
                self._running[name][1].hear(devices)
                continue
            subscriber = self._make(
                source,
                folder=self._sources.folder,
                former=former.get(name),
                client_suffix=self._heard.client_suffix,
                devices=devices,
            )
            subscriber.start()
            self._running[name] = source, subscriber

    def _follow_former(self, wanted: Mapping[str, MqttSource]) -> None:
        try:
            suffix = self._heard.former_suffix()
        except DatabaseError:
            return  # which is said by who needs it more
        kept = wanted if suffix is not None else {}
        for name, (source, subscriber) in list(self._former.items()):
            if kept.get(name) == source or (suffix is None and not subscriber.has_caught_up):
                continue  # what was kept is not all handed on yet
            del self._former[name]
            subscriber.close(forget=suffix is None)
            if suffix is None:
                logger.info("source %s: all that was kept for it is handed on", name)
        for name, source in kept.items():
            if source.is_kept and name not in self._former:
                subscriber = self._make(
                    source,
                    folder=self._sources.folder,
                    former=None,
                    client_suffix=suffix,
                    is_former=True,
                    intake=self._split_intake,
                )
                subscriber.start()
                self._former[name] = source, subscriber

    def close(self) -> None:
        """Finish what is being stored, and disconnect. May be called again."""
        with self._lock:
            self._is_closed = True
            running = [*self._running.values(), *self._former.values()]
            self._running, self._former = {}, {}
        for _, subscriber in running:
            subscriber.stop()
        for _, subscriber in running:
            subscriber.close(timeout_s=1.0)
        self._loop.close()
