"""The token endpoint of a VTN: found, or guessed; and answers that hold no token."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.openadr import (
    ClientCredentials,
    TokenEndpoint,
    VtnError,
    VtnHttp,
    VtnUnavailable,
    VtnUnreachable,
)
from app.openadr.errors import ClientRefused
from tests.conftest import MakeHttp
from tests.support.servers import Answer, Script, ScriptedVtn, free_port

MakeVtn = Callable[[Script], ScriptedVtn]
PROBLEM = {"title": "no", "detail": "it is too late", "status": 400}
HTML = Answer(200, "<html>", content_type="text/html")


def fetch(http: VtnHttp) -> tuple[str, float | None]:
    endpoint = TokenEndpoint(http=http, token_url=None, scopes="read_targets")
    return endpoint.fetch(ClientCredentials(client_id="c", client_secret="s"))


@pytest.mark.parametrize(
    "server",
    [
        Answer(404, PROBLEM),
        Answer(404, "<html>", content_type="text/html"),
        Answer(200, {"tokenURL": None}),
        Answer(200, {"tokenURL": "http://[::1"}),
        Answer(200, {"tokenURL": "https://"}),
        Answer(200, []),
    ],
)
def test_without_a_server_that_says_it_the_endpoint_is_below_the_base(
    scripted_vtn: MakeVtn, make_http: MakeHttp, server: Answer
) -> None:
    token = Answer(200, {"access_token": "t", "token_type": "Bearer", "expires_in": 60})
    vtn = scripted_vtn(lambda asked: token if asked.path == "/auth/token" else server)

    assert fetch(make_http(vtn.base_url)) == ("t", 60.0)

    (asked,) = vtn.of("POST", "/auth/token")
    assert b"scope=read_targets" in asked.body
    assert "Authorization" not in asked.headers


@pytest.mark.parametrize(
    ("status", "code", "is_the_client"),
    [
        (401, "invalid_client", True),
        (401, "", True),
        (400, "invalid_client", True),
        (400, "unauthorized_client", True),
        (400, "invalid_scope", False),
        (400, "invalid_request", False),
    ],
)
def test_only_a_client_that_is_refused_is_a_reason_to_read_its_secret_again(
    scripted_vtn: MakeVtn,
    make_http: MakeHttp,
    status: int,
    code: str,
    is_the_client: bool,
) -> None:
    refused = Answer(status, {"error": code} if code else {})
    vtn = scripted_vtn(
        lambda asked: refused if asked.path == "/auth/token" else Answer(404, PROBLEM)
    )

    with pytest.raises(VtnError) as caught:
        fetch(make_http(vtn.base_url))
    assert isinstance(caught.value, ClientRefused) == is_the_client


def test_an_answer_that_begins_with_a_byte_order_mark(
    scripted_vtn: MakeVtn, make_http: MakeHttp
) -> None:
    token = Answer(200, '\ufeff{"access_token": "t", "token_type": "Bearer"}')
    vtn = scripted_vtn(lambda asked: token if asked.path == "/auth/token" else Answer(404, PROBLEM))

    assert fetch(make_http(vtn.base_url)) == ("t", None)


def test_one_that_cannot_be_reached_is_named_as_what_it_is(
    scripted_vtn: MakeVtn, make_http: MakeHttp
) -> None:
    elsewhere = f"http://me:hunter2@127.0.0.1:{free_port()}/token"
    vtn = scripted_vtn(lambda _: Answer(200, {"tokenURL": elsewhere}))

    with pytest.raises(VtnUnreachable, match=r"the token endpoint at 127\.0\.0\.1") as caught:
        fetch(make_http(vtn.base_url))
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, []),
        Answer(200, None),
        Answer(200, {"scope": 5}),
        Answer(200, {"access_token": None, "token_type": "Bearer"}),
        Answer(200, {"access_token": "two\nlines", "token_type": "Bearer"}),
        Answer(200, {"access_token": "letters æøå", "token_type": "Bearer"}),
        Answer(200, {"access_token": "", "token_type": "Bearer"}),
        Answer(200, {"access_token": "t", "token_type": "Bearer", "expires_in": "soon"}),
        HTML,
    ],
)
def test_an_answer_that_holds_no_token(
    scripted_vtn: MakeVtn, make_http: MakeHttp, answer: Answer
) -> None:
    vtn = scripted_vtn(
        lambda asked: answer if asked.path == "/auth/token" else Answer(404, PROBLEM)
    )

    with pytest.raises(VtnUnavailable, match="no token"):
        fetch(make_http(vtn.base_url))
