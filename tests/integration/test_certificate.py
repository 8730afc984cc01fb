"""A server's certificate is renewed while it runs."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.platform.asgi import AsgiServer
from app.platform.certificate import load_certificate
from app.platform.errors import CertificateError
from tests.support.certificates import Certificate, make_certificate
from tests.support.servers import free_port


@pytest.fixture
def files(tmp_path: Path) -> Certificate:
    """What the server is given; the first certificate stands in it."""
    made = Certificate(certificate=tmp_path / "served.pem", key=tmp_path / "served.key")
    put(make_certificate(tmp_path, "first"), made)
    return made


@pytest.fixture
def url(files: Certificate) -> Iterator[str]:
    """Of a server with these files."""
    server = AsgiServer(
        host="127.0.0.1",
        port=(port := free_port()),
        name="test",
        certificate=files.certificate,
        key=files.key,
        max_requests=10,
    )
    server.listen()
    server.serve(Starlette(routes=[Route("/", lambda _: PlainTextResponse("here"))]))
    yield f"https://127.0.0.1:{port}"
    server.close()


def put(certificate: Certificate, files: Certificate) -> None:
    shutil.copy(certificate.certificate, files.certificate)
    shutil.copy(certificate.key, files.key)


def is_shown(url: str, certificate: Certificate) -> bool:
    try:
        return requests.get(url, verify=str(certificate.certificate), timeout=5).ok
    except requests.exceptions.SSLError:
        return False


def test_a_new_certificate_is_shown_without_a_restart(
    url: str, files: Certificate, tmp_path: Path
) -> None:
    first, second = make_certificate(tmp_path, "old"), make_certificate(tmp_path, "second")
    put(first, files)
    assert is_shown(url, first)

    put(second, files)

    assert is_shown(url, second)
    assert not is_shown(url, first)


def test_half_of_a_new_one_is_not_used(
    url: str, files: Certificate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    second = make_certificate(tmp_path, "second")
    first = Certificate(certificate=tmp_path / "first.pem", key=tmp_path / "first.key")
    assert is_shown(url, first)

    shutil.copy(second.certificate, files.certificate)

    assert is_shown(url, first)
    assert is_shown(url, first)
    said = [line for line in caplog.messages if "the previous one stays in use" in line]
    assert len(said) == 1
    shutil.copy(second.key, files.key)
    assert is_shown(url, second)


def test_a_certificate_that_is_gone_goes_on(url: str, files: Certificate, tmp_path: Path) -> None:
    first = Certificate(certificate=tmp_path / "first.pem", key=tmp_path / "first.key")
    assert is_shown(url, first)

    files.certificate.unlink()

    assert is_shown(url, first)


def test_what_is_no_certificate_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("hello")

    with pytest.raises(CertificateError) as raised:
        load_certificate(
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tmp_path / "no.pem", tmp_path / "no.pem"
        )

    assert "\n" not in str(raised.value)
