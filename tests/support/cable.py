"""A way to a server on this machine that can be cut."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Cable:
    """Passes on what comes, until it is cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._passes = threading.Event()
        self._passes.set()
        self._is_cut = False
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """What is connected ends, and who connects is turned away."""
        self._is_cut = True
        self._close_ends()

    def mend(self) -> None:
        """As before the cut, or the silence."""
        self._is_cut = False
        self._passes.set()

    def be_silent(self) -> None:
        """Nothing comes through, and nobody is told."""
        self._passes.clear()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._passes.set()
        self._close_ends()

    def _close_ends(self) -> None:
        for end in self._ends:
            with suppress(OSError):  # it ended by itself
                end.shutdown(socket.SHUT_RDWR)
        self._ends = []

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                if self._is_cut:
                    client.close()
                    continue
                # Each end is closed by the thread that reads it.
                try:
                    server = socket.create_connection(("127.0.0.1", self._port))
                except OSError:
                    client.close()  # as the server is
                    continue
                self._ends += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(1 << 16):
                self._passes.wait()
                sink.sendall(part)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
        source.close()
