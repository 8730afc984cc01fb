"""The page behind the reverse proxies that deploy/ shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.proxies import PASSWORD, USER, Proxy
from tests.support.site import Site

UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


@pytest.fixture(scope="module", params=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    behind = int(site.base_url.rpartition(":")[2])
    made = Proxy(request.param, tmp_path_factory.mktemp("proxy"), behind)
    yield made
    made.close()


def ask(proxy: Proxy, path: str, **headers: str) -> requests.Response:
    ca: Path = proxy.certificate.certificate
    asked: dict[str, Any] = {"verify": str(ca), "timeout": 5, "auth": (USER, PASSWORD)}
    return requests.get(proxy.base_url + path, headers=headers, stream=True, **asked)


def test_who_knows_the_password_sees_the_page(proxy: Proxy) -> None:
    answer = ask(proxy, "/tasks", Origin=proxy.base_url)

    assert answer.status_code == 200
    assert "VEN fleet" in answer.text


def test_nobody_else_does(proxy: Proxy) -> None:
    ca = str(proxy.certificate.certificate)

    assert requests.get(proxy.base_url, verify=ca, timeout=5).status_code == 401


def test_the_page_gets_its_websocket(proxy: Proxy) -> None:
    with ask(proxy, SOCKET, Origin=proxy.base_url, **UPGRADE) as answer:
        assert answer.status_code == 101


def test_another_site_does_not(proxy: Proxy) -> None:
    with ask(proxy, SOCKET, Origin="https://evil.example", **UPGRADE) as answer:
        assert answer.status_code == 403
