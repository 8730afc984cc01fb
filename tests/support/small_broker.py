"""An MQTT 3.1.1 broker of a page, for what a real one does not do on request: refuse filters."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from app.openadr import BrokerAddress

CONNECT, SUBSCRIBE, PUBLISH, PINGREQ = 1, 8, 3, 12
REFUSED = 0x80
LEVEL_OF_311 = 4


class SmallBroker:
    """Lets everybody in, and confirms the filters that `takes` likes.

    `client_ids`: who connected; `subscribes`: the filters of each SUBSCRIBE that came. What is
    published is taken and never confirmed.
    """

    def __init__(self, *, takes: Callable[[str], bool] = lambda _: True) -> None:
        self._takes = takes
        self.client_ids: list[str] = []
        self.subscribes: list[list[str]] = []
        self.published: list[tuple[str, bytes, bool]] = []
        """Topic, body and whether it is to be retained, of what came."""
        self._connections: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = BrokerAddress.of(f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}")
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def publish(self, topic: str, body: bytes) -> None:
        """To everybody."""
        name = topic.encode()
        packet = len(name).to_bytes(2, "big") + name + body
        for connection in list(self._connections):
            connection.sendall(bytes([PUBLISH << 4]) + _length(len(packet)) + packet)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):  # the client was first
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        self._connections.append(connection)
        try:
            with connection, connection.makefile("rb") as stream:
                while head := stream.read(1):
                    body = stream.read(_read_length(stream.read))
                    answer = self._answer(head[0] >> 4, body, head[0] & 15)
                    if answer:
                        connection.sendall(answer)
        except OSError:
            return  # the client gave up
        finally:
            self._connections.remove(connection)

    def _answer(self, kind: int, body: bytes, flags: int) -> bytes:
        if kind == PUBLISH:
            length, qos = int.from_bytes(body[:2], "big"), flags >> 1 & 3
            content = body[2 + length + (2 if qos else 0) :]
            self.published.append((body[2 : 2 + length].decode(), content, bool(flags & 1)))
        if kind == CONNECT and body[6] != LEVEL_OF_311:
            return b"\x20\x02\0\1"
        if kind == CONNECT:
            length = int.from_bytes(body[10:12], "big")
            self.client_ids.append(body[12 : 12 + length].decode())
            return b"\x20\x02\0\0"
        if kind == SUBSCRIBE:
            filters, place = [], 2
            while place < len(body):
                length = int.from_bytes(body[place : place + 2], "big")
                filters.append(body[place + 2 : place + 2 + length].decode())
                place += 3 + length
            self.subscribes.append(filters)
            codes = bytes(1 if self._takes(filter_) else REFUSED for filter_ in filters)
            return b"\x90" + _length(2 + len(codes)) + body[:2] + codes
        return b"\xd0\0" if kind == PINGREQ else b""


def _length(value: int) -> bytes:
    encoded = bytearray()
    while True:
        value, low = divmod(value, 128)
        encoded.append(low | (128 if value else 0))
        if not value:
            return bytes(encoded)


def _read_length(read: Callable[[int], bytes]) -> int:
    value = shift = 0
    while True:
        (byte,) = read(1)
        value |= (byte & 127) << shift
        if byte < 128:
            return value
        shift += 7
