"""Keeps a subscriber for each MQTT source of the file, as the file changes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from app.intake.errors import SourcesError
from app.intake.mqtt.subscriber import MqttSubscriber
from app.intake.sources import MqttSource
from app.intake.sources_file import SourcesFile
from app.mqtt import BrokerLoop


class MqttSources:
    """To be called every few seconds: subscribes as the file of sources says now.

    The session of a source that is gone is ended at the broker when it is still gone at the next
    call: a file may be read while it is written.
    """

    def __init__(
        self,
        *,
        sources: SourcesFile,
        loop: BrokerLoop,
        make: Callable[..., MqttSubscriber],
    ) -> None:
        self._sources = sources
        self._loop = loop
        self._make = make
        self._lock = threading.Lock()
        self._running: dict[str, tuple[MqttSource, MqttSubscriber]] = {}
        self._missing: set[str] = set()
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
            if name not in self._running:
                subscriber = self._make(
                    source, folder=self._sources.folder, former=former.get(name)
                )
                subscriber.start()
                self._running[name] = source, subscriber

    def close(self) -> None:
        """Finish what is being stored, and disconnect. May be called again."""
        with self._lock:
            self._is_closed = True
            subscribers = [subscriber for _, subscriber in self._running.values()]
            self._running = {}
        for subscriber in subscribers:
            subscriber.stop()
        for subscriber in subscribers:
            subscriber.close(timeout_s=1.0)
        self._loop.close()
