"""What of this room runs: the server, and the upkeep of the log."""

from __future__ import annotations

from app.intake.sources import SourcesFile
from app.platform import PeriodicThread, Server


class IntakeService:
    """Starts and stops it."""

    def __init__(self, *, sources: SourcesFile, server: Server, upkeep: PeriodicThread) -> None:
        self._sources = sources
        self._server = server
        self._upkeep = upkeep

    def start(self) -> None:
        """SourcesError: the file of sources is wrong. IntakeServerError."""
        self._sources.all()
        self._upkeep.start()
        self._server.start()

    def close(self) -> None:
        """After the stop began. May be called again."""
        self._server.close()
        self._upkeep.close()
