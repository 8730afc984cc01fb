"""A request and its answer over a connection that urllib3 has made, without its machinery.

urllib3 connects and checks TLS, and keeps the connections. What goes over one is written at once,
and read by the parser of Node.js (llhttp): that costs a tenth of what `http.client` does.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from http.client import RemoteDisconnected
from typing import Any

import httptools
from urllib3 import HTTPConnectionPool
from urllib3.exceptions import DecodeError, ProtocolError, ReadTimeoutError

from app.openadr.answer import MAX_BYTES
from app.openadr.errors import AnswerTooLarge, AnswerTooSlow, NoUsableAddress

READ_BYTES = 64 << 10
GZIP_MAGIC = b"\x1f\x8b"
MAX_HEAD_BYTES = 256 << 10
MAX_HEADERS = 100
GZIP, ZLIB, DEFLATE = 31, 15, -15
"""What zlib is told to expect."""
UNUSABLE_TARGET = re.compile(r"[^\x21-\x7e]")
UNUSABLE_VALUE = re.compile(r"[\r\n\0]")


class Headers(Mapping[str, str]):
    """Of an answer; their names are the same in capitals. Of several, joined by commas."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        """One line."""
        name, before = name.lower(), self._values.get(name.lower())
        self._values[name] = value if before is None else f"{before}, {value}"

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def get(self, name: str, default: Any = None) -> Any:
        """As of any mapping, but without an error on the way."""
        return self._values.get(name.lower(), default)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class _Reader:
    """The answers of one connection, as the parser tells of them, one after the other."""

    def __init__(self) -> None:
        self.parser: Any = httptools.HttpResponseParser(self)
        # What http.client takes, too: nobody reads these connections but we.
        self.parser.set_dangerous_leniencies(
            lenient_headers=True,
            lenient_chunked_length=True,
            lenient_data_after_close=True,
            lenient_optional_cr_before_lf=True,
            lenient_spaces_after_chunk_size=True,
        )
        self.begin()

    def begin(self) -> None:
        """The next answer."""
        self.headers = Headers()
        self.status = 0
        self.pieces: list[bytes] = []
        self.size = 0
        self.has_head = False
        self.is_complete = False
        self.goes_on = False
        """Whether the connection can be used again."""
        self._count = 0

    def on_message_begin(self) -> None:
        if self.is_complete:
            raise ValueError("what nobody asked for")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count += 1
        if self._count > MAX_HEADERS:
            raise ValueError("too many headers")
        if not self.has_head:  # what follows a body in chunks is of no interest
            self.headers.add(name.decode("latin-1"), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        self.status, self.has_head = self.parser.get_status_code(), True

    def on_body(self, piece: bytes) -> None:
        self.pieces.append(piece)
        self.size += len(piece)

    def on_message_complete(self) -> None:
        if 100 <= self.status < 200:  # the answer is still to come
            self.headers, self.has_head, self._count = Headers(), False, 0
        else:
            self.is_complete, self.goes_on = True, self.parser.should_keep_alive()

    @property
    def ends_with_connection(self) -> bool:
        """Whether nothing else says where its body ends."""
        return (
            self.has_head
            and "content-length" not in self.headers
            and "chunked" not in self.headers.get("transfer-encoding", "").lower()
        )


class DirectConnections:
    """Requests to one origin over its pool of connections. Safe for several threads.

    `headers`: sent with each. Raises urllib3's HTTPError.
    """

    def __init__(
        self, pool: HTTPConnectionPool, *, host: str, headers: Mapping[str, str], timeout_s: float
    ) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._head = _lines({"Host": host, **headers})

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        answer_s: float,
    ) -> tuple[int, Headers, bytes]:
        """Status, headers, and the body, unpacked. `answer_s`: for all of the answer."""
        if UNUSABLE_TARGET.search(target):
            raise NoUsableAddress("a target with a space or a control character")
        own = headers if body is None else {**headers, "Content-Length": str(len(body))}
        head = f"{method} {target} HTTP/1.1\r\n".encode("ascii") + self._head + _lines(own)
        connection: Any = self._pool._get_conn()
        try:
            if connection.sock is None:
                connection.timeout = self._timeout_s
                connection.connect()
                self._pool._validate_conn(connection)  # warns where TLS is not checked
                connection.reader = _Reader()
            connection.sock.settimeout(self._timeout_s)
            reader: _Reader = connection.reader
            reader.begin()
            self._exchange(connection.sock, reader, head + b"\r\n" + (body or b""), answer_s)
            content = _unpacked(reader)
            reader.pieces = []
            if not reader.goes_on:
                connection.close()
        except BaseException:
            connection.close()
            connection.reader = None  # with what it has of a broken answer
            raise
        finally:
            self._pool._put_conn(connection)
        return reader.status, reader.headers, content

    def _exchange(self, sock: Any, reader: _Reader, request: bytes, answer_s: float) -> None:
        ends_s = time.monotonic() + answer_s
        taken = 0
        try:
            with suppress(BrokenPipeError):  # it may have answered before it had read everything
                sock.sendall(request)
            while not reader.is_complete:
                data = sock.recv(READ_BYTES)
                if not data:
                    if reader.ends_with_connection:
                        return
                    raise _broken(RemoteDisconnected("the answer ends before its end"))
                taken += len(data)
                try:
                    reader.parser.feed_data(data)
                except httptools.HttpParserError:
                    if not reader.is_complete:
                        raise
                    reader.goes_on = False  # what follows is no answer to anything
                if reader.size > MAX_BYTES:
                    raise AnswerTooLarge("the answer is too large")
                if not reader.has_head and taken > MAX_HEAD_BYTES:
                    raise _broken(ValueError("a head without an end"))
                if time.monotonic() > ends_s:
                    raise AnswerTooSlow("the answer comes too slowly")
        except TimeoutError as error:
            raise ReadTimeoutError(self._pool, None, "no answer in time") from error
        except (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            raise _broken(error) from error


def _broken(error: BaseException) -> ProtocolError:
    return ProtocolError("Connection aborted.", error)


def _lines(headers: Mapping[str, str]) -> bytes:
    """NoUsableAddress: a value that would be more than one line, or cannot be written."""
    if any(map(UNUSABLE_VALUE.search, headers.values())):
        raise NoUsableAddress("a header of several lines")
    try:
        return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("latin-1")
    except UnicodeEncodeError as error:
        raise NoUsableAddress(type(error).__name__) from None


def _unpacked(reader: _Reader) -> bytes:
    """AnswerTooLarge, or urllib3's DecodeError."""
    coding = reader.headers.get("content-encoding", "").strip().lower()
    packed = b"".join(reader.pieces)
    if coding in ("gzip", "x-gzip"):
        return _inflated(packed, GZIP)
    if coding == "deflate":
        try:
            return _inflated(packed, ZLIB)
        except DecodeError:
            return _inflated(packed, DEFLATE)
    return packed


def _inflated(packed: bytes, kind: int) -> bytes:
    pieces: list[bytes] = []
    left = MAX_BYTES + 1
    while packed:
        unpacker = zlib.decompressobj(kind)
        try:
            pieces.append(unpacker.decompress(packed, left))
        except zlib.error as error:
            raise DecodeError(f"not {kind}: {error}") from None
        left -= len(pieces[-1])
        if left <= 0 or unpacker.unconsumed_tail:
            raise AnswerTooLarge("the answer is too large")
        if not unpacker.eof:
            raise DecodeError("it ends before its end")
        packed = unpacker.unused_data
        if not packed.startswith(GZIP_MAGIC):
            break  # what is appended to it belongs to nobody
    return b"".join(pieces)
