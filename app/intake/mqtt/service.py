"""Keeps a subscriber for each MQTT source of the file, as the file changes."""

from __future__ import annotations

from collections.abc import Callable

from app.intake.errors import SourcesError
from app.intake.mqtt.subscriber import MqttSubscriber
from app.intake.sources import MqttSource
from app.intake.sources_file import SourcesFile
from app.mqtt import BrokerLoop


class MqttSources:
    """To be called every few seconds: subscribes as the file of sources says now."""

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
        self._running: dict[str, tuple[MqttSource, MqttSubscriber]] = {}

    def __call__(self) -> None:
        """Begin with those that are new, and end those that are gone or changed."""
        try:
            sources = self._sources.all()
        except SourcesError:
            return  # which is said where the file is read
        wanted = {
            name: source for name, source in sources.items() if isinstance(source, MqttSource)
        }
        for name, (source, subscriber) in list(self._running.items()):
            if wanted.get(name) != source:
                del self._running[name]
                subscriber.close(forget=name not in wanted)
        for name, source in wanted.items():
            if name not in self._running:
                subscriber = self._make(source, folder=self._sources.folder)
                subscriber.start()
                self._running[name] = source, subscriber

    def close(self) -> None:
        """Finish what is being stored, and disconnect. May be called again."""
        for _, subscriber in self._running.values():
            subscriber.close(timeout_s=1.0)
        self._running = {}
        self._loop.close()
