"""Starts and stops the embedded VTN in this process."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from app.asgi import AsgiServer
from app.vtn.credentials import EmbeddedCredentials
from app.vtn.store import VtnStore
from app.vtn.tokens import Tokens

HOST = "127.0.0.1"
TELEMETRY_PROGRAM = {"programName": "telemetry"}
TELEMETRY_EVENT = {
    "eventName": "telemetry",
    "reportDescriptors": [
        {
            "payloadType": "READING",
            "frequency": 0,
            "repeat": -1,
            "reportIntervals": "OPEN_INTERVALS",
        }
    ],
}


class VtnStartError(RuntimeError):
    """The embedded VTN cannot start; one line says why."""


class EmbeddedVtn:
    """A VTN on loopback with its state under `directory`. Building it does no I/O.

    On an empty start it holds one telemetry program with an untargeted event.
    """

    def __init__(self, *, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self.base_url = f"http://{HOST}:{port}"
        self.store = VtnStore(directory / "vtn.db")
        self._server = AsgiServer(host=HOST, port=port, name="vtn")
        self._tokens: Tokens | None = None

    def start(self) -> None:
        """Listen; requests that come before the server is up wait for it. VtnStartError if not."""
        if self._server.is_serving:
            return
        # Here and not above: a process that starts no VTN does not pay for its web framework.
        from app.vtn.api import make_api

        try:
            self._server.listen()
        except OSError as error:
            raise VtnStartError(
                f"the embedded VTN cannot listen on {HOST}:{self._port}: {error.strerror};"
                " choose another VTN__EMBEDDED_PORT, or name a VTN with VTN__BASE_URL"
            ) from None
        try:
            credentials = EmbeddedCredentials.of(self._directory)
            self._fill_when_empty()
        except (ValueError, sqlite3.Error) as error:
            self._server.close()
            raise VtnStartError(f"the embedded VTN's state in {self._directory}: {error}") from None
        except OSError:
            self._server.close()
            raise
        self._tokens = Tokens(credentials)
        self._server.serve(make_api(store=self.store, tokens=self._tokens, base_url=self.base_url))

    def revoke_tokens(self) -> None:
        """As an operator may, at any time: clients have to fetch new ones."""
        if self._tokens is not None:
            self._tokens.revoke_all()

    def _fill_when_empty(self) -> None:
        if not self.store.select("PROGRAM", limit=1):
            program = self.store.add("PROGRAM", dict(TELEMETRY_PROGRAM), name="telemetry")
            event = {**TELEMETRY_EVENT, "programID": program["id"]}
            self.store.add("EVENT", event, parent=program["id"])

    def close(self) -> None:
        """Stop listening and close the store. May be called again."""
        self._server.close()
        self.store.close()
