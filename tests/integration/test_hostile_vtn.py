"""What a VTN sends is bounded, and reaches nothing that would obey it."""

from __future__ import annotations

import gzip
import logging
import socket
import threading
from collections.abc import Callable
from itertools import count

import pytest

from app.fleet import VEN
from app.observability.logs import configure_logging
from app.openadr import NoCredentials, SharedReadings, VtnHttp, VtnUnavailable, by_id
from app.openadr.answer import MAX_BYTES
from app.openadr.lists import MAX_PAGES
from tests.conftest import MakeContainer, MakeHttp
from tests.integration.conftest import Reach
from tests.support.servers import Answer, ReceivedRequest, Script, ScriptedVtn
from tests.support.workbench import Bench

pytestmark = pytest.mark.in_process

MakeVtn = Callable[[Script], ScriptedVtn]


def get(http: VtnHttp) -> object:
    return http.get("/programs", auth=NoCredentials())


def raw_server(send: Callable[[socket.socket], None]) -> tuple[str, socket.socket]:
    """A server that answers each connection as `send` does, until it is closed."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65_536)
                try:
                    send(connection)
                except OSError:
                    continue  # the client has given up

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{listener.getsockname()[1]}", listener


def test_an_answer_that_unpacks_to_more_than_is_meant_is_not_read_to_its_end(
    make_http: MakeHttp, reach: Reach
) -> None:
    bomb = gzip.compress(b"[" + b" " * (MAX_BYTES + (1 << 20)) + b"]")
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
        b"Content-Length: %d\r\n\r\n" % len(bomb)
    )
    base_url, listener = raw_server(lambda connection: connection.sendall(head + bomb))

    with pytest.raises(VtnUnavailable, match="larger than 64 MiB"):
        get(make_http(reach(base_url)))
    listener.close()


@pytest.mark.parametrize("drop_bytes", [1, 1000])
def test_an_answer_in_drops_ends(make_http: MakeHttp, reach: Reach, drop_bytes: int) -> None:
    """Each drop comes within the timeout, and the last one never would."""

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        pause = threading.Event()
        while True:
            connection.sendall(b" " * drop_bytes)
            pause.wait(0.02)

    base_url, listener = raw_server(drip)
    http = make_http(reach(base_url), timeout_s=0.05)

    with pytest.raises(VtnUnavailable, match="no answer in time"):
        get(http)
    listener.close()


def test_depth_without_end_is_no_json(
    make_http: MakeHttp, scripted_vtn: MakeVtn, reach: Reach
) -> None:
    vtn = scripted_vtn(lambda _: Answer(200, "[" * 100_000 + "]" * 100_000))

    with pytest.raises(VtnUnavailable, match="without JSON"):
        get(make_http(reach(vtn.base_url)))


def test_a_list_without_end_ends(scripted_vtn: MakeVtn, make_container: MakeContainer) -> None:
    """The same page again and again, whatever is asked for."""
    page = [{"id": f"e{number}", "programID": "p"} for number in range(50)]
    vtn = scripted_vtn(lambda _: Answer(200, page))
    container = make_container(vtn={"base_url": vtn.base_url})

    pages = container.openadr.client_for()("v").events(frozenset(), SharedReadings())
    assert len(by_id(pages)) == 50


@pytest.mark.rest
def test_a_list_of_ever_new_objects_ends(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    numbers = count()

    def page(_: ReceivedRequest) -> Answer:
        return Answer(200, [{"id": f"e{next(numbers)}", "programID": "p"} for _ in range(50)])

    container = make_container(vtn={"base_url": scripted_vtn(page).base_url})

    pages = container.openadr.client_for()("v").events(frozenset(), SharedReadings())
    assert len(by_id(pages)) == 50 * MAX_PAGES


def test_an_event_that_is_nested_too_deep_hides_no_other_one(
    scripted_vtn: MakeVtn, make_container: MakeContainer
) -> None:
    deep = b'{"id":"deep","programID":"p","x":' + b"[" * 300 + b"]" * 300 + b"}"
    events = b'[%b,{"id":"flat","programID":"p"}]' % deep
    vtn = scripted_vtn(
        lambda asked: Answer(200, events.decode() if asked.path.startswith("/events") else [])
    )
    container = make_container(vtn={"base_url": vtn.base_url})

    container.events.sync()([VEN(ven_name="v")], follow=lambda _: None)

    seen = container.events.store().of_ven("v")

    assert [each.event.event_id for each in seen] == ["flat"]


@pytest.mark.parametrize(
    "event_id", ["../vens", "e?x=1", "e/../../x", "", "e" * 129, "e'; DROP TABLE frame; --", "e\0"]
)
def test_an_id_that_is_none_reaches_no_path_and_no_table(bench: Bench, event_id: str) -> None:
    (program,) = bench.vtn.store.select("PROGRAM")
    body = {"programID": program["id"], "reportDescriptors": [{"payloadType": "USAGE"}]}
    bench.vtn.store.add("EVENT", body, parent=program["id"], object_id=event_id)
    bench.manager.poll_events()
    bench.tick()

    paths = {request.path_url.split("?")[0] for request in bench.transport.requests}
    paths = {path for path in paths if not path.startswith("/vens")}
    assert paths <= {"/auth/server", "/auth/token", "/resources", "/events", "/programs"}
    events = {stream.request.event_id for stream in bench.container.streams.store().streams()}
    assert event_id not in events


def test_what_a_vtn_says_cannot_write_lines_or_codes_into_the_log(
    capsys: pytest.CaptureFixture[str],
    scripted_vtn: MakeVtn,
    make_http: MakeHttp,
) -> None:
    words = "no\n2026-01-01 00:00:00 INFO    all is well\x1b[2J\x9b31m\r"

    def refuse(_: ReceivedRequest) -> Answer:
        return Answer(400, {"title": words})

    http = make_http(scripted_vtn(refuse).base_url)
    for format_ in ("text", "json"):
        configure_logging(level="INFO", format_=format_)
        with pytest.raises(Exception, match="400") as caught:
            get(http)
        logging.getLogger("app.test").warning("refused: %s", caught.value)

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert all(char.isprintable() for line in lines for char in line)
