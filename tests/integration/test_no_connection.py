"""Each way in which no connection comes about has its own words, and its own advice."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NameResolutionError, SSLError

from app.openadr import (
    HttpTransport,
    NoCredentials,
    VtnHttp,
    VtnRejected,
    VtnUnreachable,
    make_session,
)
from app.openadr.errors import NotConnected
from app.openadr.unreachable import reason, was_never_sent
from tests.conftest import MakeContainer, MakeHttp
from tests.support.certificates import Certificate, make_certificate, make_certificate_of
from tests.support.servers import Answer, ScriptedVtn, free_port
from tests.support.tunnel import Tunnel
from tests.support.wiring import provider

NOW = datetime.now(UTC)
DAY = timedelta(days=1)
MakeTlsVtn = Callable[..., ScriptedVtn]
HttpTo = Callable[..., VtnHttp]


@pytest.fixture
def http(make_container: MakeContainer) -> HttpTo:
    """`http(base_url, verify_tls=…)`."""

    def made(base_url: str, **vtn: object) -> VtnHttp:
        container = make_container(vtn={"base_url": base_url, **vtn})
        provider(container, "openadr.http").add_kwargs(backoff_s=0.001)
        http: VtnHttp = container.openadr.http()
        return http

    return made


@pytest.fixture
def vtn() -> Iterator[MakeTlsVtn]:
    """`vtn(certificate)`: a VTN behind TLS."""
    made: list[ScriptedVtn] = []

    def make(certificate: Certificate, *, wants_a_certificate: bool = False) -> ScriptedVtn:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        if wants_a_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
            context.maximum_version = ssl.TLSVersion.TLSv1_2  # says so in the handshake
            context.load_verify_locations(certificate.certificate)
        made.append(ScriptedVtn(lambda _: Answer(200, []), tls=context))
        return made[-1]

    yield make
    for each in made:
        each.close()


def words(http: VtnHttp) -> str:
    """Of the error of a POST, which must not have been sent."""
    with pytest.raises(VtnUnreachable) as raised:
        http.post("/reports", auth=NoCredentials(), body={"a": 1})
    return str(raised.value)


class TestTls:
    def test_an_authority_that_is_not_known(
        self, http: HttpTo, vtn: MakeTlsVtn, tmp_path: Path
    ) -> None:
        told = words(http(vtn(make_certificate(tmp_path)).base_url))

        assert "from an authority that is not known here: name its CA file" in told
        assert "VTN__VERIFY_TLS" in told

    @pytest.mark.parametrize(
        ("begins", "ends", "told"),
        [(-2 * DAY, -DAY, "has expired"), (DAY, 2 * DAY, "is not valid yet: look at this machine")],
    )
    def test_a_certificate_of_another_time(
        self,
        http: HttpTo,
        vtn: MakeTlsVtn,
        tmp_path: Path,
        begins: timedelta,
        ends: timedelta,
        told: str,
    ) -> None:
        certificate = make_certificate_of(tmp_path, begins=NOW + begins, ends=NOW + ends)

        found = words(http(vtn(certificate).base_url, verify_tls=certificate.certificate))

        assert f"its TLS certificate {told}" in found
        assert "VTN__VERIFY_TLS" not in found

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
    def test_a_certificate_of_somebody_else(
        self, http: HttpTo, vtn: MakeTlsVtn, tmp_path: Path, host: str
    ) -> None:
        certificate = make_certificate_of(
            tmp_path, begins=NOW - DAY, ends=NOW + DAY, names="DNS:vtn.example"
        )
        url = vtn(certificate).base_url.replace("127.0.0.1", host)

        found = words(http(url, verify_tls=certificate.certificate))

        assert "VTN__BASE_URL and VTN__TOKEN_URL have to use one of its names" in found

    def test_a_port_without_tls(self, http: HttpTo) -> None:
        plain = ScriptedVtn(lambda _: Answer(200, []))

        found = words(http(plain.base_url.replace("http:", "https:")))

        assert "it speaks no TLS on that port" in found
        plain.close()

    def test_a_vtn_that_wants_a_certificate(
        self, http: HttpTo, vtn: MakeTlsVtn, tmp_path: Path
    ) -> None:
        certificate = make_certificate(tmp_path)
        strict = vtn(certificate, wants_a_certificate=True)

        found = words(http(strict.base_url, verify_tls=certificate.certificate))

        assert "it wants a client certificate" in found
        assert strict.asked == []

    def test_one_that_says_so_after_the_handshake_has_not_looked_at_the_request(self) -> None:
        """As TLS 1.3 does it; its alert is lost where the server closes too soon."""
        alert = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] certificate required")
        alert.reason = "TLSV13_ALERT_CERTIFICATE_REQUIRED"

        assert was_never_sent(SSLError(alert))
        assert "it wants a client certificate" in reason(SSLError(alert))

    def test_a_connection_that_breaks_later_may_have_been_used(self) -> None:
        broken = ssl.SSLEOFError(8, "EOF occurred in violation of protocol")

        assert not was_never_sent(SSLError(broken))

    def test_a_ca_file_is_read_again_when_it_has_changed(
        self, vtn: MakeTlsVtn, tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        certificate = make_certificate(tmp_path)
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(make_certificate(tmp_path / "other").certificate.read_bytes())
        url = vtn(certificate).base_url
        session = make_session(base_url=url, max_connections=1)
        transport = HttpTransport(session, timeout_s=5.0, verify_tls=ca_file)
        with pytest.raises(NotConnected):
            transport.send("GET", url, headers={})

        ca_file.write_bytes(certificate.certificate.read_bytes())

        assert transport.send("GET", url, headers={}).status == 200
        transport.close()


class TestProxies:
    """The VTN is elsewhere; the proxy before it is on this machine, and nobody is dialled."""

    @pytest.mark.parametrize(
        ("scheme", "status", "told"),
        [
            ("http", 407, "the proxy wants a name and a password (407)"),
            ("https", 407, "the proxy wants a name and a password (407)"),
            ("https", 403, "the proxy refuses (403)"),
        ],
    )
    def test_one_that_refuses(
        self,
        http: HttpTo,
        monkeypatch: pytest.MonkeyPatch,
        scheme: str,
        status: int,
        told: str,
    ) -> None:
        proxy = ScriptedVtn(lambda _: Answer(status, {}))
        self.name(monkeypatch, proxy.base_url.replace("//", "//me:hunter2@"))

        found = words(http(f"{scheme}://vtn.example/openadr3", allow_http=True))

        assert f"{told}; see HTTPS_PROXY, HTTP_PROXY and NO_PROXY" in found
        assert "hunter2" not in found
        proxy.close()

    def test_the_connections_of_one_that_refuses_are_given_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        proxy = ScriptedVtn(lambda _: Answer(407, {}))
        self.name(monkeypatch, proxy.base_url)
        session = make_session(base_url="http://vtn.example", max_connections=2)
        transport = HttpTransport(session, timeout_s=0.5, verify_tls=True)

        for _ in range(4):
            with pytest.raises(NotConnected) as refused:
                transport.send("GET", "http://vtn.example/programs", headers={})
            assert refused.value.status == 407
        transport.close()
        proxy.close()

    def test_a_vtn_that_answers_as_a_proxy_would_is_not_one(self, make_http: MakeHttp) -> None:
        vtn = ScriptedVtn(lambda _: Answer(407, {"title": "no"}))

        with pytest.raises(VtnRejected, match="407"):
            make_http(vtn.base_url).get("/programs", auth=NoCredentials())
        vtn.close()

    def test_what_is_wrong_with_the_vtn_behind_one_is_the_vtns(
        self,
        http: HttpTo,
        vtn: MakeTlsVtn,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        unknown = vtn(make_certificate(tmp_path))
        proxy = Tunnel(int(unknown.base_url.rpartition(":")[2]))
        self.name(monkeypatch, proxy.base_url)

        found = words(http("https://vtn.example/openadr3"))

        assert "from an authority that is not known here" in found
        assert "proxy" not in found.lower()
        proxy.close()

    @pytest.mark.parametrize(
        ("proxy", "told"),
        [("http://[::1", "no address that can be used"), ("http://", "no address")],
    )
    def test_one_that_is_no_address(
        self, http: HttpTo, monkeypatch: pytest.MonkeyPatch, proxy: str, told: str
    ) -> None:
        self.name(monkeypatch, proxy)

        found = words(http("https://vtn.example/openadr3"))

        assert told in found
        assert "see HTTPS_PROXY" in found

    @pytest.mark.parametrize("scheme", ["http", "https"])
    def test_one_that_is_not_there(
        self, http: HttpTo, monkeypatch: pytest.MonkeyPatch, scheme: str
    ) -> None:
        self.name(monkeypatch, f"http://127.0.0.1:{free_port()}")

        found = words(http(f"{scheme}://vtn.example/openadr3", allow_http=True))

        assert "the proxy cannot be reached" in found

    @staticmethod
    def name(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)


def test_a_name_that_is_not_found() -> None:
    error = socket.gaierror(-2, "Name or service not known")

    found = reason(NameResolutionError("vtn.example", HTTPConnection("vtn.example"), error))

    assert found.startswith("its name is not found: look at VTN__BASE_URL")


def test_a_file_of_authorities_that_is_not_there(
    http: HttpTo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))

    found = words(http(f"https://127.1:{free_port()}"))

    assert "the file of CA certificates is not there" in found


def test_a_port_where_nobody_listens(http: HttpTo) -> None:
    assert "connection refused" in words(http(f"http://127.0.0.1:{free_port()}"))
