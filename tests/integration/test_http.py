"""What each answer of a VTN, or its silence, means: over real HTTP."""

from __future__ import annotations

import email.utils
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NoReturn

import pytest
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    ProxyError,
    SSLError,
    TimeoutError,
)

from app.openadr import (
    Circuit,
    NoCredentials,
    OutcomeUnknown,
    SharedCredentials,
    VtnClock,
    VtnError,
    VtnHttp,
    VtnRejected,
    VtnUnauthorised,
    VtnUnavailable,
    VtnUnreachable,
)
from app.openadr.errors import NotConnected
from app.openadr.http import VenAuth
from app.platform.shutdown import Shutdown
from app.platform.timestamps import utc_now
from tests.conftest import MakeContainer, MakeHttp
from tests.support.servers import Answer, ReceivedRequest, Script, ScriptedVtn, free_port, in_turn

MakeVtn = Callable[[Script], ScriptedVtn]
PROBLEM = {"title": "no", "detail": "it is too late", "status": 400}


def get(http: VtnHttp) -> object:
    return http.get("/programs", auth=NoCredentials())


def post(http: VtnHttp) -> object:
    return http.post("/reports", auth=NoCredentials(), body=b"{}")


BROKEN = Answer(broken=True)
HTML = Answer(200, "<html>", content_type="text/html")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(503), VtnUnavailable),
        (Answer(429), VtnUnavailable),
        (Answer(408), VtnUnavailable),
        (BROKEN, VtnUnavailable),
        (HTML, VtnUnavailable),
        (Answer(404, "<html>", content_type="text/html"), VtnUnavailable),
        (Answer(302, headers={"Location": "http://elsewhere.example"}), VtnUnavailable),
        (Answer(400, PROBLEM), VtnRejected),
        (Answer(404, PROBLEM), VtnRejected),
        (Answer(401, PROBLEM), VtnUnauthorised),
        (Answer(403, PROBLEM), VtnUnauthorised),
    ],
)
def test_what_a_get_comes_to(
    scripted_vtn: MakeVtn, make_http: MakeHttp, answer: Answer, error: type[VtnError]
) -> None:
    http = make_http(scripted_vtn(lambda _: answer).base_url)

    with pytest.raises(error) as caught:
        get(http)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(500), OutcomeUnknown),
        (Answer(503), OutcomeUnknown),
        (BROKEN, OutcomeUnknown),
        (HTML, OutcomeUnknown),
        (Answer(429), VtnUnavailable),
        (Answer(422, PROBLEM), VtnRejected),
        (Answer(409, PROBLEM), VtnRejected),
        (Answer(403, PROBLEM), VtnUnauthorised),
    ],
)
def test_what_a_post_comes_to(
    scripted_vtn: MakeVtn, make_http: MakeHttp, answer: Answer, error: type[VtnError]
) -> None:
    vtn = scripted_vtn(lambda _: answer)

    with pytest.raises(error):
        post(make_http(vtn.base_url))

    repeated = len(vtn.asked) > 1
    assert repeated == (answer.status == 429), "only a 429 says that a POST had no effect"


@pytest.mark.parametrize("first", [Answer(503), Answer(429), BROKEN])
def test_a_get_is_repeated(scripted_vtn: MakeVtn, make_http: MakeHttp, first: Answer) -> None:
    vtn = scripted_vtn(in_turn(first, Answer(200, [1])))

    assert get(make_http(vtn.base_url)) == [1]


def test_repetition_is_bounded(scripted_vtn: MakeVtn, make_http: MakeHttp) -> None:
    vtn = scripted_vtn(in_turn(Answer(503)))

    with pytest.raises(VtnUnavailable):
        get(make_http(vtn.base_url))

    assert len(vtn.asked) == 3


def test_a_post_on_a_connection_that_was_never_made_had_no_effect(make_http: MakeHttp) -> None:
    with pytest.raises(VtnUnavailable, match="connection refused"):
        post(make_http(f"http://127.0.0.1:{free_port()}"))


def test_a_pause_between_attempts_ends_with_the_stop(
    scripted_vtn: MakeVtn, make_http: MakeHttp, shutdown: Shutdown
) -> None:
    vtn = scripted_vtn(in_turn(Answer(429, headers={"Retry-After": "2"})))
    ended = threading.Event()

    def ask() -> None:
        with pytest.raises(VtnUnavailable):
            get(make_http(vtn.base_url))
        ended.set()

    threading.Thread(target=ask, daemon=True).start()
    assert not ended.wait(0.2)

    shutdown.set()

    assert ended.wait(1)
    assert len(vtn.asked) == 1


def test_a_retry_after_that_is_too_long_is_left_to_the_caller(
    scripted_vtn: MakeVtn, make_http: MakeHttp
) -> None:
    vtn = scripted_vtn(in_turn(Answer(429, headers={"Retry-After": "3600"})))

    with pytest.raises(VtnUnavailable) as caught:
        get(make_http(vtn.base_url))

    assert len(vtn.asked) == 1
    assert caught.value.retry_after_s == 3600


def test_an_answer_that_does_not_come_in_time(
    scripted_vtn: MakeVtn, make_http: Callable[..., VtnHttp]
) -> None:
    let_go = threading.Event()

    def hang(_: ReceivedRequest) -> Answer:
        let_go.wait(20)
        return Answer()

    http = make_http(scripted_vtn(hang).base_url, timeout_s=0.1)

    with pytest.raises(OutcomeUnknown, match="no answer in time"):
        post(http)
    let_go.set()


def test_the_problem_of_the_vtn_is_told(scripted_vtn: MakeVtn, make_http: MakeHttp) -> None:
    vtn = scripted_vtn(lambda _: Answer(400, PROBLEM))

    with pytest.raises(VtnRejected, match="400, no: it is too late") as caught:
        post(make_http(vtn.base_url))

    assert caught.value.status == 400


def test_no_cookie_goes_back(scripted_vtn: MakeVtn, make_http: MakeHttp) -> None:
    vtn = scripted_vtn(lambda _: Answer(200, [], headers={"Set-Cookie": "session=1; Path=/"}))
    http = make_http(vtn.base_url)

    get(http)
    get(http)

    assert "Cookie" not in vtn.asked[1].headers


def test_how_long_the_last_answer_took_is_known(scripted_vtn: MakeVtn, make_http: MakeHttp) -> None:
    http = make_http(scripted_vtn(lambda _: Answer(200, [])).base_url)
    assert http.latency_s is None

    get(http)

    assert http.latency_s is not None


@pytest.mark.parametrize("retry_after", ["Wed, 21 Oct 2015 07:28:00 -0000", "²", "soon", "-5"])
def test_an_odd_retry_after_is_no_matter(
    scripted_vtn: MakeVtn, make_http: MakeHttp, retry_after: str
) -> None:
    headers = {"Retry-After": retry_after.encode("utf-8").decode("latin-1")}
    vtn = scripted_vtn(in_turn(Answer(429, headers=headers), Answer(200, [1])))

    assert get(make_http(vtn.base_url)) == [1]


@pytest.mark.parametrize("before", [0, 480], ids=["at once", "where the text is cut"])
@pytest.mark.parametrize("times", [1, 200], ids=["short", "longer than what is told"])
def test_a_token_that_is_said_back_is_not_shown(
    scripted_vtn: MakeVtn, make_http: MakeHttp, before: int, times: int
) -> None:
    vtn = scripted_vtn(
        lambda asked: Answer(400, {"title": "x" * before, "detail": asked.headers["Authorization"]})
    )
    auth = SharedCredentials("hunter2" * times).auth("Aarhus")

    with pytest.raises(VtnRejected) as caught:
        make_http(vtn.base_url).get("/programs", auth=auth)

    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "never"),
    [
        (NotConnected(through_proxy=False), True),
        (SSLError(ssl.SSLError("bad record mac")), False),
        (LocationValueError("no URL"), True),
        (TimeoutError(), False),
        (ProxyError("cut off", OSError()), False),
    ],
)
def test_only_a_connection_that_was_never_made_had_no_effect(error: HTTPError, never: bool) -> None:
    class Failing:
        """Fails like this."""

        def send(
            self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
        ) -> NoReturn:
            del method, url, headers, body
            raise error

        def close(self) -> None:
            """Nothing is open."""

    http = VtnHttp(
        transport=Failing(),
        base_url="https://vtn.example",
        shutdown=Shutdown(),
        circuit=Circuit(monotonic=time.monotonic),
        writes=Circuit(monotonic=time.monotonic),
        vtn_clock=VtnClock(clock=utc_now, monotonic=time.monotonic),
        backoff_s=0.001,
    )

    with pytest.raises(VtnUnreachable if never else OutcomeUnknown):
        post(http)


@pytest.mark.parametrize(
    ("headers", "is_heard"), [({}, True), ({"Age": "600"}, False)], ids=["the VTN's", "a cache's"]
)
def test_only_the_vtn_itself_tells_what_time_it_is(
    scripted_vtn: MakeVtn,
    make_container: MakeContainer,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
    is_heard: bool,
) -> None:
    date = email.utils.format_datetime(utc_now() - timedelta(minutes=10), usegmt=True)
    vtn = scripted_vtn(lambda _: Answer(200, [], {"Date": date, **headers}))
    container = make_container(vtn={"base_url": vtn.base_url})

    get(container.openadr.http())

    assert (container.openadr.vtn_clock().ahead is not None) == is_heard
    assert ("ahead of the VTN's" in caplog.text) == is_heard


@pytest.mark.parametrize("body", ["", "\ufeff{}"], ids=["nothing", "a byte order mark"])
def test_what_a_put_answers_besides_the_object(
    scripted_vtn: MakeVtn, make_http: MakeHttp, body: str
) -> None:
    http = make_http(scripted_vtn(lambda _: Answer(200 if body else 204, body)).base_url)

    assert http.put("/vens/v", auth=NoCredentials(), body={}) in (None, {})


def test_a_problem_behind_a_byte_order_mark_is_one(
    scripted_vtn: MakeVtn, make_http: MakeHttp
) -> None:
    http = make_http(scripted_vtn(lambda _: Answer(404, '\ufeff{"title": "gone"}')).base_url)

    with pytest.raises(VtnRejected, match="gone") as caught:
        get(http)
    assert caught.value.has_problem


def test_a_header_that_cannot_be_sent_is_told_without_what_is_in_it(
    scripted_vtn: MakeVtn, make_http: MakeHttp
) -> None:
    class Odd(VenAuth):
        def authorization(self) -> str:
            return "Bearer hunter2\r\nX: y"

    http = make_http(scripted_vtn(lambda _: Answer(200, [])).base_url)

    with pytest.raises(VtnUnreachable) as caught:
        http.get("/programs", auth=Odd())

    told = "".join(traceback.format_exception(caught.value))
    assert "hunter2" not in told
