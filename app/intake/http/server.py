"""Where measurements are posted: INTAKE__HOST and INTAKE__PORT."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from app.intake.errors import IntakeServerError
from app.intake.exports import Exports
from app.intake.http.outcomes import TakesOutcomes
from app.intake.intake import Intake
from app.intake.refusal_log import RefusalLog
from app.intake.sources import TokenSource
from app.intake.sources_file import SourcesFile
from app.intake.status import IntakeStats
from app.platform import AsgiServer, CertificateError, NoServer

logger = logging.getLogger(__name__)
MAX_REQUESTS = 200


class IntakeServer:
    """Listens, with TLS where there is a certificate. Building it does no I/O."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        certificate: Path | None,
        key: Path | None,
        intake: Intake,
        sources: SourcesFile,
        exports: Exports,
        stats: IntakeStats,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        refusal_log: RefusalLog,
        outcomes: TakesOutcomes,
    ) -> None:
        self._where = f"{host}:{port}"
        self._scheme = "http" if certificate is None else "https"
        self._intake = intake
        self._sources = sources
        self._exports = exports
        self._stats = stats
        self._clock = clock
        self._monotonic = monotonic
        self._refusal_log = refusal_log
        self._outcomes = outcomes
        self._server = AsgiServer(
            host=host,
            port=port,
            name="intake",
            certificate=certificate,
            key=key,
            max_requests=MAX_REQUESTS,
        )

    def start(self) -> None:
        """Listen and answer. IntakeServerError: the address or the certificate cannot be used."""
        # Here and not above: a process that serves nothing does not pay for it.
        from app.intake.http.api import IntakeApi

        if self._server.is_serving:
            return
        try:
            self._server.listen()
        except CertificateError as error:
            raise IntakeServerError(
                f"INTAKE__CERTIFICATE or INTAKE__KEY cannot be used: {error}"
            ) from None
        except OSError as error:
            raise IntakeServerError(
                f"{self._where} cannot be listened on: {error.strerror}; choose another"
                " INTAKE__PORT"
            ) from None
        api = IntakeApi(
            intake=self._intake,
            sources=self._sources,
            exports=self._exports,
            stats=self._stats,
            clock=self._clock,
            monotonic=self._monotonic,
            refusal_log=self._refusal_log,
            outcomes=self._outcomes,
        )
        self._server.serve(api.application())
        logger.info("readings are taken at %s://%s/readings", self._scheme, self._where)

    def close(self) -> None:
        """Stop listening. May be called again."""
        self._server.close()


class NotServed(NoServer):
    """Where nothing can be sent to us: INTAKE__PORT is blank."""

    def __init__(self, *, sources: SourcesFile) -> None:
        self._sources = sources

    def start(self) -> None:
        """Say which sources wait in vain."""
        for name, source in self._sources.all().items():
            if isinstance(source, TokenSource):
                logger.warning(
                    "source %s: nothing can be sent to it: INTAKE__PORT is not set", name
                )
