"""Starts and stops the embedded VTN in this process."""

from __future__ import annotations

import socket
import sqlite3
import threading
from pathlib import Path
from typing import Any

from app.vtn.credentials import EmbeddedCredentials
from app.vtn.store import VtnStore

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
        self._socket: socket.socket | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen; requests that come before the server is up wait for it. VtnStartError if not."""
        if self._thread is not None:
            return
        # Here and not above: a process that starts no VTN does not pay for its web framework.
        import uvicorn

        from app.vtn.api import make_api
        from app.vtn.tokens import Tokens

        listener = self._listen()
        try:
            credentials = EmbeddedCredentials.of(self._directory)
            self._fill_when_empty()
        except (ValueError, sqlite3.Error) as error:
            listener.close()
            raise VtnStartError(f"the embedded VTN's state in {self._directory}: {error}") from None
        except OSError:
            listener.close()
            raise
        api = make_api(store=self.store, tokens=Tokens(credentials), base_url=self.base_url)
        config = uvicorn.Config(
            api,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        self._socket = listener
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="vtn", daemon=True
        )
        self._thread.start()

    def _listen(self) -> socket.socket:
        # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer on a
        # kept connection waits 40 ms for an acknowledgement.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, self._port))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            raise VtnStartError(
                f"the embedded VTN cannot listen on {HOST}:{self._port}: {error.strerror};"
                " choose another VTN__EMBEDDED_PORT, or name a VTN with VTN__BASE_URL"
            ) from None
        return listener

    def _fill_when_empty(self) -> None:
        if not self.store.select("PROGRAM", limit=1):
            program = self.store.add("PROGRAM", dict(TELEMETRY_PROGRAM), name="telemetry")
            event = {**TELEMETRY_EVENT, "programID": program["id"]}
            self.store.add("EVENT", event, parent=program["id"])

    def close(self, timeout_s: float = 1.5) -> None:
        """Stop listening and close the store. May be called again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._server.should_exit = True
            thread.join(timeout_s)
            self._server = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self.store.close()
