"""Hands requests on to the owner of a shard, and its answers back, as they come."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import httpx
from anyio import to_thread
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from app.cluster.gateway.errors import ClientGone
from app.platform import (
    CLIENT_HEADER,
    TRY_AGAIN_LATER,
    OwnerAwayError,
    ShardClient,
    refuse,
)

logger = logging.getLogger(__name__)
CONNECT_S, READ_S = 2.0, 60.0
OF_A_CONNECTION = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade")
)
"""Headers that are not handed on (RFC 9110, 7.6.1)."""
OF_A_BODY = frozenset((b"content-length", b"transfer-encoding"))
SAID_BY_US = frozenset((b"date", b"server"))
NOT_HANDED_ON = OF_A_CONNECTION | {b"host", b"origin", b"x-forwarded-prefix"}
"""Beside those: what was looked at here already, or is said by us."""
OF_A_WEBSOCKET = b"sec-websocket-"
FRAMES = frozenset(
    (b"x-frame-options", b"content-security-policy", b"x-content-type-options", b"referrer-policy")
)
"""Which who serves us adds."""
CONNECTIONS = 100
"""With one owner."""
NO_KEY, NOT_FOUND, AWAY = 401, 404, 503
Headers = Sequence[tuple[bytes, bytes]]


class Forward:
    """Of one event loop, and of one part of the owners. Building it does no I/O.

    `is_local`: whether only this machine reaches us: pages then let people change things who know
    no token.
    """

    def __init__(self, client: ShardClient, *, part: str, is_local: bool = False) -> None:
        self._shards = client
        self._part = part
        self._is_local = is_local
        self._tls: ssl.SSLContext | None = None
        self._clients: dict[int, httpx.AsyncClient] = {}
        """One for each shard: one that is slow holds up no other."""

    async def __call__(
        self, scope: Any, receive: Any, send: Any, *, number: int, path: str, prefix: str = ""
    ) -> None:
        """Ask the owner of a shard for `path`; `prefix`: what stands before it here, for links."""
        if not {".", ".."}.isdisjoint(unquote(path).split("/")):
            await refuse(scope, receive, send, NOT_FOUND, "there is no such page")
            return
        try:
            url, key = await to_thread.run_sync(self._shards.owners.reach, number, self._part)
            if self._tls is None:
                self._tls = await to_thread.run_sync(self._shards.tls)
        except OwnerAwayError as error:
            await refuse(scope, receive, send, AWAY, str(error))
            return
        added = {**key, **({"x-forwarded-prefix": prefix} if prefix else {})}
        if scope.get("client"):
            added[CLIENT_HEADER] = scope["client"][0]
            if not self._is_local:
                added["x-forwarded-for"] = scope["client"][0]
        target = f"{url}/{self._part}{path}"
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send, target, added, number)
        else:
            await self._request(scope, receive, send, target, added, number)

    async def _request(
        self,
        scope: Any,
        receive: Any,
        send: Any,
        url: str,
        added: Mapping[str, str],
        number: int,
    ) -> None:
        headers = _handed_on(scope["headers"], added)
        has_body = not OF_A_BODY.isdisjoint(name for name, _ in scope["headers"])
        client = self._client(number)
        request = httpx.Request(  # and not one of the client, which adds headers of its own
            scope["method"],
            url,
            headers=headers,
            content=_body(receive) if has_body else None,
            extensions={"timeout": client.timeout.as_dict()},
        )
        begun = False
        try:
            answer = await client.send(request, stream=True)
            try:
                if answer.status_code == NO_KEY:
                    words = f"shard {number} has another owner, or another GATEWAY__TOKEN"
                    await refuse(scope, receive, send, AWAY, words)
                    return
                begun = True
                await send(
                    {
                        "type": "http.response.start",
                        "status": answer.status_code,
                        "headers": _handed_back(answer.headers.raw),
                    }
                )
                async for piece in answer.aiter_raw():
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            finally:
                await answer.aclose()
        except (httpx.HTTPError, ClientGone) as error:
            logger.debug("shard %d: %s", number, error)
            if not begun:  # else the connection ends in the middle, as theirs did
                busy = isinstance(error, httpx.PoolTimeout)
                words = "has too many requests" if busy else "does not answer"
                await refuse(scope, receive, send, AWAY, f"shard {number} {words}")

    async def _websocket(
        self,
        scope: Any,
        receive: Any,
        send: Any,
        url: str,
        added: Mapping[str, str],
        number: int,
    ) -> None:
        await receive()  # that somebody wants to connect
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in _handed_on(scope["headers"], added)
            if not name.startswith(OF_A_WEBSOCKET)
        ]
        target = url.replace("http", "ws", 1)
        try:
            upstream = await connect(
                target,
                additional_headers=headers,
                subprotocols=scope.get("subprotocols") or None,
                compression=None,
                max_size=None,
                proxy=None,
                open_timeout=CONNECT_S,
                ssl=self._tls if target.startswith("wss") else None,
            )
        except (OSError, WebSocketException, TimeoutError) as error:
            logger.debug("shard %d: %s", number, error)
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        await send({"type": "websocket.accept", "subprotocol": upstream.subprotocol})
        try:
            await _both_ways(receive, send, upstream)
        finally:
            await upstream.close()

    def _client(self, number: int) -> httpx.AsyncClient:
        if number not in self._clients:
            self._clients[number] = httpx.AsyncClient(
                verify=self._tls or True,
                trust_env=False,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=CONNECTIONS),
                timeout=httpx.Timeout(READ_S, connect=CONNECT_S, pool=CONNECT_S),
            )
        return self._clients[number]


def _handed_on(given: Headers, added: Mapping[str, str]) -> Headers:
    own = [(name.encode(), value.encode("latin-1")) for name, value in added.items()]
    replaced = {name for name, _ in own} | NOT_HANDED_ON
    return [*((name, value) for name, value in given if name not in replaced), *own]


def _handed_back(given: Headers) -> Headers:
    lowered = ((name.lower(), value) for name, value in given)
    return [pair for pair in lowered if pair[0] not in OF_A_CONNECTION | SAID_BY_US | FRAMES]


async def _body(receive: Any) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone  # and half of a body is none
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return


async def _both_ways(receive: Any, send: Any, upstream: ClientConnection) -> None:
    """Until one of the two ends."""

    async def there() -> None:
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            await upstream.send(message["bytes"] if text is None else text)

    async def back() -> None:
        async for message in upstream:
            kind = "text" if isinstance(message, str) else "bytes"
            await send({"type": "websocket.send", kind: message})
        await send({"type": "websocket.close", "code": upstream.close_code or TRY_AGAIN_LATER})

    ways = [asyncio.ensure_future(there()), asyncio.ensure_future(back())]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        with suppress(ConnectionClosed, asyncio.CancelledError):
            await asyncio.gather(*ways)
