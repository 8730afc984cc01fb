"""Who may ask: the Host and Origin of every request, and of every WebSocket, are looked at.

A page on loopback is open to every site that a browser shows, if such a site may give its own name
the address 127.0.0.1 (DNS rebinding), or may send a form here.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from app.platform import refuse

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Any, Send], Awaitable[None]]
MISDIRECTED, FORBIDDEN = 421, 403
DEFAULT_PORTS = {"http": 80, "https": 443}
UNFRAMED = [
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
]
"""No other site shows the page inside itself, and has people press what they do not see."""


class Access:
    """Lets through what names an address or one of `names`, and comes from here or nowhere."""

    def __init__(self, application: Asgi, *, names: Iterable[str]) -> None:
        self._application = application
        self._names = {name.lower().removesuffix(".") for name in names} | {"localhost"}

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._application(scope, receive, send)
            return
        refusal = self._refusal(_headers(scope))
        if refusal is not None:
            status, words = refusal
            logger.debug("%s %s is refused: %s", scope["type"], scope.get("path"), words)
            await refuse(scope, receive, send, status, words)
            return

        async def unframed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *UNFRAMED]
            await send(message)

        await self._application(scope, receive, unframed)

    def _refusal(self, headers: dict[str, str]) -> tuple[int, str] | None:
        # A browser always names the host; what does not (a probe in HTTP/1.0) brings no site here.
        host = headers.get("host")
        name = None if host is None else _name_of(host)
        known = name is not None and (name in self._names or _is_address(name))
        if not (known or host is None):
            return MISDIRECTED, (
                "This name is not known here; ask by address, or add it to OPS__NAMES."
            )
        elsewhere = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        opens = (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
        if elsewhere and opens != ("navigate", "document"):  # a link may lead here
            return FORBIDDEN, "Requests of other sites are refused."
        origin = headers.get("origin")
        if origin is not None and not _is_same(origin, host):
            return FORBIDDEN, "Requests of other sites are refused."
        return None


def _headers(scope: Scope) -> dict[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _name_of(host: str) -> str | None:
    """Without the port; None for what is no host."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if parts.netloc != host or parts.username is not None or parts.hostname is None:
        return None
    return parts.hostname.removesuffix(".")


def _is_same(origin: str, host: str | None) -> bool:
    """Whether a request of `origin` asks this host: a scheme's own port may be written or not."""
    try:
        site, asked = urlsplit(origin), urlsplit(f"//{host or ''}")
        own_port = DEFAULT_PORTS.get(site.scheme)
        ports = [part.port or own_port for part in (site, asked)]
    except ValueError:
        return False
    names = [_name_of(part.netloc) for part in (site, asked)]
    return names[0] is not None and names[0] == names[1] and ports[0] == ports[1]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
