"""Proxies and certificates of the environment, which are for all hosts but loopback."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest

from app.openadr import NoCredentials, VtnHttp, VtnUnreachable
from tests.conftest import MakeHttp
from tests.support.certificates import Certificate
from tests.support.servers import Answer, Script, ScriptedVtn, free_port

ELSEWHERE = "127.1"
"""This machine by a name that is not known as loopback."""
MakeVtn = Callable[[Script], ScriptedVtn]


def get(http: VtnHttp) -> object:
    return http.get("/programs", auth=NoCredentials())


def test_a_proxy_is_asked_for_the_whole_url_with_its_credentials(
    scripted_vtn: MakeVtn, make_http: MakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = scripted_vtn(lambda _: Answer(200, ["by proxy"]))
    where = proxy.base_url.replace("//", "//user:password@")
    monkeypatch.setenv("HTTP_PROXY", where)

    answer = get(make_http("http://vtn.example"))

    assert answer == ["by proxy"]
    (asked,) = proxy.asked
    assert asked.path == "/programs"
    assert asked.headers["Host"] == "vtn.example"
    assert asked.headers["Proxy-Authorization"].startswith("Basic ")


def test_a_proxy_that_is_no_url_is_an_outage_in_one_line(
    make_http: MakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://")

    with pytest.raises(VtnUnreachable) as caught:
        get(make_http("http://vtn.example"))

    assert "\n" not in str(caught.value)


def test_hosts_that_need_no_proxy_are_reached_without(
    scripted_vtn: MakeVtn, make_http: MakeHttp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", ELSEWHERE)
    vtn = scripted_vtn(lambda _: Answer(200, ["itself"]))

    assert get(make_http(vtn.base_url.replace("127.0.0.1", ELSEWHERE))) == ["itself"]


def test_the_bundle_of_authorities_is_that_of_the_environment(
    make_http: MakeHttp, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    vtn = ScriptedVtn(lambda _: Answer(200, ["verified"]), tls=context)
    url = vtn.base_url.replace("127.0.0.1", ELSEWHERE)

    with pytest.raises(VtnUnreachable, match="name its CA file in VTN__VERIFY_TLS"):
        get(make_http(url))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.certificate))
    assert get(make_http(url)) == ["verified"]
    vtn.close()
