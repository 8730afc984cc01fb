"""Answers of all shapes that HTTP has, directly and through a proxy, which goes another way."""

from __future__ import annotations

import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

import pytest

from app.openadr import NoCredentials, OutcomeUnknown, VtnHttp, VtnUnavailable
from tests.conftest import MakeHttp
from tests.integration.conftest import Reach
from tests.support.waiting import wait_until

pytestmark = pytest.mark.in_process

LENGTH = b"content-length"
JSON = b'{"id": "a", "n": 1}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


class RawServer:
    """Answers each request with the next of these bytes; the last one stays."""

    def __init__(self, answers: Sequence[bytes], *, closes: bool) -> None:
        self.connections = self.closed = 0
        self.requests: list[bytes] = []
        self._answers = list(answers)
        self._closes = closes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            while request := self._request(connection):
                self.requests.append(request)
                place = min(len(self.requests), len(self._answers)) - 1
                with suppress(OSError):  # it was given up
                    connection.sendall(self._answers[place])
                if self._closes:
                    break
        self.closed += 1

    def _request(self, connection: socket.socket) -> bytes:
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                piece = connection.recv(65_536)
            except OSError:  # it was given up
                return b""
            if not piece:
                return b""
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = next((int(fields[name]) for name in fields if name.lower() == LENGTH), 0)
        while len(body) < length:
            body += connection.recv(65_536)
        return head + b"\r\n\r\n" + body


Answering = Callable[..., tuple[VtnHttp, RawServer]]


@pytest.fixture
def answering(reach: Reach, make_http: MakeHttp) -> Iterator[Answering]:
    """A client, and a server that sends it these bytes."""
    made: list[RawServer] = []

    def begin(*answers: bytes, closes: bool = True) -> tuple[VtnHttp, RawServer]:
        made.append(RawServer(answers, closes=closes))
        return make_http(reach(made[-1].base_url), timeout_s=2.0), made[-1]

    yield begin
    for server in made:
        server.close()


def get(http: VtnHttp) -> object:
    return http.get("/programs", auth=NoCredentials())


def sized(body: bytes, more: bytes = b"") -> bytes:
    return HEAD + more + b"Content-Length: %d\r\n\r\n" % len(body) + body


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
DEFLATED = zlib.compressobj(wbits=-15)
SHAPES = {
    "of a known length": sized(JSON),
    "in chunks": CHUNKED + b'5\r\n{"id"\r\ne;ext=1\r\n: "a", "n": 1}\r\n0\r\n\r\n',
    "with a trailer": CHUNKED + b"%x\r\n" % len(JSON) + JSON + b"\r\n0\r\nDate: later\r\n\r\n",
    "until the connection ends": HEAD + b"\r\n" + JSON,
    "of HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n" + JSON,
    "after one that tells of it": b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\n" + sized(JSON),
    "packed": sized(gzip.compress(JSON), b"Content-Encoding: gzip\r\n"),
    "packed twice over": sized(
        gzip.compress(JSON[:7]) + gzip.compress(JSON[7:]), b"content-encoding: GZIP\r\n"
    ),
    "deflated": sized(zlib.compress(JSON), b"Content-Encoding: deflate\r\n"),
    "deflated without a head": sized(
        DEFLATED.compress(JSON) + DEFLATED.flush(), b"Content-Encoding: deflate\r\n"
    ),
    "with bare line feeds": sized(JSON).replace(b"\r\n", b"\n"),
    "with a folded header": sized(JSON, b"X-Long: one\r\n  two\r\n"),
    "with spaces after a chunk's size": CHUNKED + b"%x  \r\n" % len(JSON) + JSON + b"\r\n0\r\n\r\n",
    "with more behind its end": sized(JSON, b"Connection: close\r\n") + b"\r\nmore",
    "packed with zeros behind it": sized(
        gzip.compress(JSON) + bytes(64), b"Content-Encoding: gzip\r\n"
    ),
    "with a byte order mark": sized(b"\xef\xbb\xbf" + JSON),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_answer_is_read(answering: Answering, shape: str) -> None:
    http, _ = answering(SHAPES[shape])

    assert get(http) == {"id": "a", "n": 1}


BROKEN = {
    "shorter than it says": HEAD + b"Content-Length: 100\r\n\r\n" + JSON,
    "without the last chunk": CHUNKED + b"5\r\n" + JSON[:5] + b"\r\n",
    "nothing at all": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "of a size that is none": CHUNKED + b"zz\r\n{}\r\n0\r\n\r\n",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000,
    "packed, but cut": sized(gzip.compress(JSON * 100)[:60], b"Content-Encoding: gzip\r\n"),
    "packed, but not": sized(JSON, b"Content-Encoding: gzip\r\n"),
}


@pytest.mark.parametrize("shape", BROKEN)
def test_what_is_no_whole_answer_is_none(answering: Answering, shape: str) -> None:
    http, _ = answering(BROKEN[shape])

    with pytest.raises(VtnUnavailable):
        get(http)


@pytest.mark.parametrize("shape", BROKEN)
def test_of_a_post_it_may_have_been_followed(answering: Answering, shape: str) -> None:
    http, server = answering(BROKEN[shape])

    with pytest.raises(OutcomeUnknown):
        http.post("/reports", auth=NoCredentials(), body=JSON)
    assert len(server.requests) == 1, "it is not repeated"


class TestConnections:
    def test_one_is_used_again(self, answering: Answering) -> None:
        http, server = answering(sized(JSON), closes=False)

        for _ in range(3):
            get(http)

        assert (server.connections, len(server.requests)) == (1, 3)

    def test_one_that_the_vtn_closes_is_made_again(self, answering: Answering) -> None:
        http, server = answering(sized(JSON, b"Connection: close\r\n"))

        for _ in range(3):
            get(http)

        assert server.connections == 3

    def test_one_that_the_vtn_closed_meanwhile_is_made_again(self, answering: Answering) -> None:
        http, server = answering(sized(JSON))
        get(http)
        wait_until(lambda: server.closed == 1)

        assert http.post("/reports", auth=NoCredentials(), body=JSON) == {"id": "a", "n": 1}

    def test_after_a_broken_answer_a_new_one_is_used(self, answering: Answering) -> None:
        http, server = answering(CHUNKED + b"zz\r\n", sized(JSON), closes=False)

        assert get(http) == {"id": "a", "n": 1}, "it is asked for again"
        assert server.connections == 2

    def test_what_follows_an_answer_unasked_is_no_answer(self, answering: Answering) -> None:
        http, server = answering(sized(JSON) + sized(b'{"id": "of nobody"}'), closes=False)

        for _ in range(2):
            assert get(http) == {"id": "a", "n": 1}
        assert len(server.requests) == 2


def test_an_answer_that_comes_before_all_was_read_is_heard(answering: Answering) -> None:
    """Of a body that is too large, which a VTN need not read."""
    http, _ = answering(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")

    with pytest.raises(Exception, match="413"):
        http.post("/reports", auth=NoCredentials(), body=b'{"x": "' + b"y" * 100_000 + b'"}')


@pytest.mark.parametrize(
    ("body", "expected"),
    [(JSON, "a"), (b"{}", None), (b"[]", None), (b'"a"', None), (b"\xef\xbb\xbf" + JSON, "a")],
)
def test_the_id_of_a_report_is_all_that_is_looked_at(
    answering: Answering, body: bytes, expected: str | None
) -> None:
    http, _ = answering(sized(body))

    assert http.post_for_id("/reports", auth=NoCredentials(), body=b"{}") == expected


@pytest.mark.parametrize("body", [b"{", b"<html>", b"{}{}", b'{"x":' * 100_000])
def test_what_is_no_json_acknowledges_no_report(answering: Answering, body: bytes) -> None:
    http, _ = answering(sized(body))

    with pytest.raises(OutcomeUnknown, match="without JSON"):
        http.post_for_id("/reports", auth=NoCredentials(), body=b"{}")


@pytest.mark.parametrize(
    "text", [b"404 page not found", b"503 backend down", b"[proxy] try again", b'"ok', b"", b"{"]
)
def test_a_text_that_is_no_json_acknowledges_no_report(answering: Answering, text: bytes) -> None:
    http, _ = answering(sized(text))

    with pytest.raises(OutcomeUnknown):
        http.post_for_id("/reports", auth=NoCredentials(), body=JSON)


@pytest.mark.parametrize(
    ("body", "object_id"),
    [(JSON, "a"), (b"{}", None), (b"[1]", None), (b"null", None), (b'{"id": 7, "x": [{}]}', 7)],
)
def test_of_a_report_only_its_id_is_looked_at(
    answering: Answering, body: bytes, object_id: object
) -> None:
    http, _ = answering(sized(body))

    assert http.post_for_id("/reports", auth=NoCredentials(), body=JSON) == object_id
