"""What of this room runs: the server, the subscribers, and the upkeep of the log."""

from __future__ import annotations

from app.intake.mqtt import MqttSources
from app.intake.sources_file import SourcesFile
from app.platform import PeriodicThread, Server


class IntakeService:
    """Starts and stops it."""

    def __init__(
        self,
        *,
        sources: SourcesFile,
        server: Server,
        mqtt: MqttSources,
        mqtt_watch: PeriodicThread,
        upkeep: PeriodicThread,
    ) -> None:
        self._sources = sources
        self._server = server
        self._mqtt = mqtt
        self._mqtt_watch = mqtt_watch
        self._upkeep = upkeep

    def start(self) -> None:
        """SourcesError: the file of sources is wrong. IntakeServerError."""
        self._sources.all()
        self._upkeep.start()
        self._server.start()
        self._mqtt()
        self._mqtt_watch.start()

    def close(self) -> None:
        """After the stop began. May be called again."""
        self._server.close()
        self._mqtt_watch.close()
        self._mqtt.close()
        self._upkeep.close()
