"""What the gateway serves: pages and metrics of all shards, and the callbacks of their VENs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from anyio import to_thread

from app.cluster.gateway.forward import Forward
from app.cluster.gateway.metrics import GatewayMetrics
from app.ops import ShardRow
from app.platform import json_bytes, refuse, shard_of

HEALTHZ, READYZ, METRICS = "/healthz", "/readyz", "/metrics"
SHARDS, VENS = "/shards/", "/vens/"
MAX_DIGITS = 4
NOT_FOUND, SEE_OTHER, OK, NOT_READY = 404, 303, 200, 503


class GatewaySite:
    """An ASGI application: its own page at /, those of shards below /shards/N, and a VEN's wherever
    it is. `make_page` makes its own.
    """

    def __init__(
        self,
        *,
        shards: int,
        rows: Callable[[], Sequence[ShardRow]],
        metrics: GatewayMetrics,
        forward: Forward,
        make_page: Callable[[], Any],
    ) -> None:
        self._shards = shards
        self._rows = rows
        self._metrics = metrics
        self._forward = forward
        self._make_page = make_page
        self._page: Any = None
        self._begins = asyncio.Lock()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if scope["type"] == "websocket" and not path.startswith(SHARDS):
            await self._of_the_page(scope, receive, send)
        elif path == HEALTHZ:
            await _answer(send, OK, json_bytes({"alive": True}))
        elif path == READYZ:
            await self._readyz(send)
        elif path == METRICS:
            accept = dict(scope["headers"]).get(b"accept", b"").decode("latin-1")
            body, media_type = await to_thread.run_sync(self._metrics.text, accept)
            await _answer(send, OK, body, media_type)
        elif path.startswith(SHARDS):
            await self._of_a_shard(scope, receive, send)
        elif path.startswith(VENS):
            name = path.removeprefix(VENS)
            number = shard_of(name, self._shards)
            await _redirect(send, f"{SHARDS}{number}{VENS}{quote(name, safe='')}")
        else:
            await self._of_the_page(scope, receive, send)

    async def _of_a_shard(self, scope: Any, receive: Any, send: Any) -> None:
        text, slash, rest = _raw_path(scope).removeprefix(SHARDS).partition("/")
        number = _number(text, self._shards)
        if number is None:
            await refuse(scope, receive, send, NOT_FOUND, "there is no such shard")
        elif not slash:
            await _redirect(send, f"{SHARDS}{number}/")
        else:
            prefix = f"{SHARDS}{number}"
            await self._forward(scope, receive, send, number=number, path=f"/{rest}", prefix=prefix)

    async def _readyz(self, send: Any) -> None:
        """Ready when all shards are; each with what is not well."""
        rows = await to_thread.run_sync(self._rows)
        body = {
            "ready": not any(row.problem for row in rows),
            "shards": [
                {
                    "shard": row.number,
                    "run_by": row.holder,
                    "epoch": row.epoch,
                    "problem": row.problem,
                    "warnings": list(row.warnings),
                    "vens": row.vens,
                    "waiting_readings": row.waiting_readings,
                }
                for row in rows
            ],
        }
        await _answer(send, OK if body["ready"] else NOT_READY, json_bytes(body))

    async def _of_the_page(self, scope: Any, receive: Any, send: Any) -> None:
        """It begins in the loop that serves it, with the first who asks for it."""
        async with self._begins:
            if self._page is None:
                page = await to_thread.run_sync(self._make_page)
                await page.router.lifespan_context(page).__aenter__()
                self._page = page
        await self._page(scope, receive, send)


class CallbackSite:
    """An ASGI application: hands the calls of the VTN on to the shard that stands in their path."""

    def __init__(self, *, shards: int, forward: Forward) -> None:
        self._shards = shards
        self._forward = forward

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        # A proxy may put something before the last two parts, or take it away.
        before, _, path = _raw_path(scope).rpartition("/")
        number = _number(before.rpartition("/")[2], self._shards)
        if number is None:
            await refuse(scope, receive, send, NOT_FOUND, "there is no such callback")
        else:
            await self._forward(scope, receive, send, number=number, path=f"/{path}")


def _number(text: str, shards: int) -> int | None:
    """Of a shard; None: it is none."""
    is_number = text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS
    return int(text) if is_number and int(text) < shards else None


def _raw_path(scope: Any) -> str:
    """As it was written, since a name may have an encoded slash."""
    raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    return raw.decode("latin-1").partition("?")[0]


async def _redirect(send: Any, where: str) -> None:
    headers = [(b"location", where.encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": SEE_OTHER, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _answer(
    send: Any, status: int, body: bytes, media_type: str = "application/json"
) -> None:
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
