"""Where measurements are posted: INTAKE__HOST and INTAKE__PORT, or for the gateway alone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from app.intake.errors import IntakeServerError
from app.intake.sources import TokenSource
from app.intake.sources_file import SourcesFile
from app.platform import CertificateError, Listener, NoServer

logger = logging.getLogger(__name__)
MAX_REQUESTS = 200


class IntakeServer:
    """Serves one of the applications of this room; `where`: what is said of it, if anything is.

    Building it does no I/O.
    """

    def __init__(
        self, *, server: Listener, make_application: Callable[[], Any], where: str = ""
    ) -> None:
        self._server = server
        self._make_application = make_application
        self._where = where

    def start(self) -> None:
        """Listen and answer. IntakeServerError: the address or the certificate cannot be used."""
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
        self._server.serve(self._make_application())
        if self._where:
            logger.info("readings are taken at %s/readings", self._where)

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
