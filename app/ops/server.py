"""Serves /healthz, /readyz and /metrics, and the page when it is opened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from app.ops.access import Access
from app.ops.health import Health
from app.ops.metrics import Metrics
from app.ops.overview import Overview
from app.platform import TRY_AGAIN_LATER, DatabaseError, Listener, NoServer, PeriodicThread

logger = logging.getLogger(__name__)

MAX_REQUESTS = 300
"""At a time, beside the probes; who looks has a handful."""
NOT_YET = (
    b"<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=1>"
    b"<title>VEN fleet</title><p>The fleet starts. This page comes when it has reported once."
)


class OpsServer:
    """Answers where `server` listens, which is at `url`. Building it does no I/O.

    `watch` takes up what is shown over time. `make_page` makes the page's ASGI application, which
    a deployment that nobody looks at never needs. A port that is taken is a warning: metering
    matters more than being watched.
    """

    def __init__(
        self,
        *,
        server: Listener,
        url: str,
        names: Iterable[str],
        probes: Any,
        make_page: Callable[[], Any],
        watch: PeriodicThread,
    ) -> None:
        self.url = url
        self._front = _Front(probes)
        self._make_page = make_page
        self._watch = watch
        self._access = Access(self._front, names=names)
        self._server = server

    def start(self) -> None:
        """Listen and answer; what is asked of the page has to wait until it is opened."""
        if self._server.is_serving:
            return
        try:
            self._server.listen()
        except OSError as error:
            logger.warning(
                "the page, /healthz, /readyz and /metrics are not served, since %s cannot be"
                " listened on: %s; choose another OPS__PORT",
                self.url,
                error.strerror,
            )
            return
        self._server.serve(self._access)
        self._watch.start()

    def open_page(self) -> None:
        """Make the page, and serve it."""
        if self._server.is_serving:
            self._front.page = self._make_page()
            if self.url:
                logger.info("the page is at %s", self.url)

    def close(self) -> None:
        """Stop listening. May be called again."""
        self._server.close()
        self._watch.close()


class _Front:
    """Answers the probes itself, and gives all else to the page, once there is one."""

    def __init__(self, probes: Any) -> None:
        self._probes = probes
        self.page: Any = None
        self._begins = asyncio.Lock()
        self._lifespan: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] in ASKED_BY_MACHINES:
            await self._probes(scope, receive, send)
        elif self.page is not None:
            await self._begin()
            await self.page(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
        else:
            headers = [(b"content-type", b"text/html"), (b"retry-after", b"1")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": NOT_YET})

    async def _begin(self) -> None:
        """The page begins in the loop that serves it, with the first who asks for it."""
        async with self._begins:
            if self._lifespan is None:
                self._lifespan = self.page.router.lifespan_context(self.page)
                await self._lifespan.__aenter__()


PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
OVERVIEW = "/overview"
ASKED_BY_MACHINES = PROBES | {OVERVIEW}


def make_probes(health: Health, metrics: Metrics, overview: Overview | None = None) -> Any:
    """The ASGI application of what machines ask: 200 when all is well, else 503, with reasons.

    `overview`: None where no gateway asks for it.
    """
    # Here and not above: a process that serves nothing does not pay for it.
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    def healthz(_: Request) -> JSONResponse:
        alive = health.alive()
        return JSONResponse({"alive": alive}, status_code=200 if alive else 503)

    def readyz(_: Request) -> JSONResponse:
        readiness = health.readiness()
        body = {
            "ready": readiness.ready,
            "reasons": readiness.reasons,
            "warnings": readiness.warnings,
            "paused_tasks": readiness.paused_tasks,
            "waiting_readings": readiness.waiting,
            "store_used": round(readiness.store_share, 4),
            "set_aside_reports": readiness.set_aside,
            "expired_readings": readiness.expired_readings,
            "dropped_readings": readiness.dropped_readings,
            "push": readiness.push,
        }
        return JSONResponse(body, status_code=200 if readiness.ready else 503)

    def metrics_(request: Request) -> Response:
        body, media_type = metrics.text(request.headers.get("Accept", ""))
        return Response(body, headers={"Content-Type": media_type})

    def overview_(_: Request) -> Response:
        if overview is None:
            return Response(status_code=404)
        try:
            return JSONResponse(overview.fields())
        except DatabaseError as error:
            return JSONResponse({"detail": str(error)}, status_code=503)

    return Starlette(
        routes=[
            Route(OVERVIEW, overview_),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics_),
        ]
    )


class NoOps(NoServer):
    """Where nobody looks."""

    def open_page(self) -> None:
        """Nothing to open."""
