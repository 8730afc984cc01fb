"""One request and its answer, over the pooled connections of a `requests` session."""

from __future__ import annotations

import http.cookiejar
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import BaseHTTPResponse, HTTPConnectionPool, Timeout

from app.openadr.answer import MAX_BYTES, Answer
from app.openadr.direct import DirectConnections
from app.openadr.errors import (
    AnswerTooLarge,
    AnswerTooSlow,
    NoAuthorities,
    NotConnected,
    NoUsableAddress,
)
from app.openadr.unreachable import PROXY_WANTS_A_PASSWORD, tell_when_not_connected
from app.platform import LOOPBACK

CHUNK_BYTES = 64 << 10
MAX_ANSWER_TIMEOUTS = 10
"""How many times `timeout_s` a whole answer may take that comes in drops."""


def make_session(*, base_url: str, max_connections: int) -> requests.Session:
    """A session for many threads and VENs: pooled, without retries of its own.

    A VTN on loopback is reached directly, whatever proxy the environment names.
    """
    session = requests.Session()
    session.trust_env = urlsplit(base_url).hostname not in LOOPBACK
    adapter = _Adapter(
        pool_connections=4, pool_maxsize=max_connections, max_retries=0, pool_block=True
    )
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    # One jar for all would carry a cookie from VEN to VEN.
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers["User-Agent"] = "ven-fleet"
    session.headers["Accept"] = "application/json"
    session.headers["Accept-Encoding"] = "gzip, deflate"
    return session


@dataclass(frozen=True)
class _Origin:
    """Where requests of one scheme, host and port go."""

    pool: HTTPConnectionPool
    wants_url: bool
    """Whether it is a proxy that wants the whole URL."""
    direct: DirectConnections | None
    """None: through a proxy."""


class _Adapter(HTTPAdapter):
    """Gives away the connections that it would use itself."""

    def origin(
        self, url: str, settings: Mapping[str, Any], *, headers: Mapping[str, str], timeout_s: float
    ) -> _Origin:
        """`settings`: what `merge_environment_settings` found for this URL."""
        proxies, verify, cert = (settings[name] for name in ("proxies", "verify", "cert"))
        asked = requests.Request("GET", url).prepare()
        pool = self.get_connection_with_tls_context(asked, verify, proxies, cert)
        self.cert_verify(pool, url, verify, cert)  # type: ignore[no-untyped-call]
        tell_when_not_connected(cast(HTTPConnectionPool, pool))
        whole = self.request_url(asked, proxies) == asked.url
        connections = cast(HTTPConnectionPool, pool)
        direct = None
        if connections.proxy is None:
            direct = DirectConnections(
                connections, host=_host(connections), headers=headers, timeout_s=timeout_s
            )
        return _Origin(connections, wants_url=whole, direct=direct)


class HttpTransport:
    """Sends requests and reads their answers, each once; follows no redirect.

    `requests` finds out what the environment says of proxies and certificates, once for each
    origin; from there on its connections are used without it, which costs a third of the time
    (see bench/). `verify_tls`: True, False or a CA file. Raises urllib3's HTTPError.
    """

    def __init__(
        self, session: requests.Session, *, timeout_s: float, verify_tls: bool | Path
    ) -> None:
        self._session = session
        self._timeout_s = timeout_s
        self._timeout = Timeout(timeout_s)
        self._verify_tls = str(verify_tls) if isinstance(verify_tls, Path) else verify_tls
        # Without "Connection: keep-alive", which HTTP/1.1 does by itself: each header takes time.
        self._headers = {
            name: str(value) for name, value in session.headers.items() if name != "Connection"
        }
        self._lock = threading.Lock()
        self._origins: dict[str, _Origin] = {}

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
    ) -> Answer:
        """The answer, whatever it says. `url`: with its query."""
        begin = url.find("/", url.find("//") + 2)
        origin, target = (url, "/") if begin < 0 else (url[:begin], url[begin:])
        to = self._origins.get(origin) or self._open(origin)
        answer_s = MAX_ANSWER_TIMEOUTS * self._timeout_s
        if to.direct is not None:
            status, answered, content = to.direct.send(
                method, target, headers=headers, body=body, answer_s=answer_s
            )
            return Answer(
                status=status,
                headers=answered,
                content=content,
                authorization=headers.get("Authorization"),
            )
        began_s = time.monotonic()
        try:
            response = to.pool.urlopen(
                method,
                url if to.wants_url else target,
                body=body,
                headers={**self._headers, **headers},
                retries=False,
                redirect=False,
                assert_same_host=False,
                timeout=self._timeout,
                preload_content=False,
            )
        except ValueError as error:
            # Before anything was sent; its text may hold what a header was made of, a token.
            raise NoUsableAddress(type(error).__name__) from None
        content = self._read(response, began_s + answer_s)
        if to.wants_url and response.status == PROXY_WANTS_A_PASSWORD:
            raise NotConnected(through_proxy=True, status=response.status)
        return Answer(
            status=response.status,
            headers=response.headers,
            content=content,
            authorization=headers.get("Authorization"),
        )

    def close(self) -> None:
        """Close the connections. May be called again."""
        self._session.close()

    def _open(self, origin: str) -> _Origin:
        with self._lock:
            if origin not in self._origins:
                adapter = self._session.get_adapter(origin)
                if not isinstance(adapter, _Adapter):
                    raise TypeError("a session of make_session is needed")
                try:
                    settings = self._session.merge_environment_settings(
                        origin, {}, None, self._verify_tls, None
                    )
                    self._origins[origin] = adapter.origin(
                        f"{origin}/", settings, headers=self._headers, timeout_s=self._timeout_s
                    )
                except (requests.RequestException, ValueError) as error:
                    raise NoUsableAddress(type(error).__name__) from None
                except OSError:  # of `requests`, which looks for the file of authorities
                    raise NoAuthorities("no file of authorities") from None
            return self._origins[origin]

    def _read(self, response: BaseHTTPResponse, ends_s: float) -> bytes:
        pieces: list[bytes] = []
        size = 0
        try:
            for piece in _as_it_comes(response):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_BYTES:
                    raise AnswerTooLarge("the answer is too large")
                if time.monotonic() > ends_s:
                    raise AnswerTooSlow("the answer comes too slowly")
        except BaseException:
            response.close()
            raise
        finally:
            response.release_conn()  # also a closed one: the pool counts them
        return b"".join(pieces)


def _host(pool: HTTPConnectionPool) -> str:
    """For the header; the port only where it is not the usual one."""
    host = f"[{pool.host}]" if ":" in pool.host else pool.host
    usual = 443 if pool.scheme == "https" else 80
    return host if pool.port in (None, usual) else f"{host}:{pool.port}"


def _as_it_comes(response: BaseHTTPResponse) -> Iterator[bytes]:
    """The body, unpacked, in what pieces it arrives: one that only drips is noticed."""
    while piece := response.read1(CHUNK_BYTES, decode_content=True):
        yield piece
