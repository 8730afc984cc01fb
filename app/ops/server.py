"""Serves /healthz and /readyz."""

from __future__ import annotations

import logging
from typing import Any

from app.asgi import AsgiServer
from app.ops.health import Health

logger = logging.getLogger(__name__)


class OpsServer:
    """Listens on OPS__HOST and OPS__PORT. Building it does no I/O.

    A port that is taken is a warning: metering matters more than being watched.
    """

    def __init__(self, *, host: str, port: int, health: Health) -> None:
        self._where = f"{host}:{port}"
        self._health = health
        self._server = AsgiServer(host=host, port=port, name="ops")

    def start(self) -> None:
        """Listen and answer."""
        if self._server.is_serving:
            return
        try:
            self._server.listen()
        except OSError as error:
            logger.warning(
                "/healthz and /readyz are not served, since %s cannot be listened on: %s;"
                " choose another OPS__PORT",
                self._where,
                error.strerror,
            )
            return
        self._server.serve(make_ops(self._health))

    def close(self) -> None:
        """Stop listening. May be called again."""
        self._server.close()


def make_ops(health: Health) -> Any:
    """The ASGI application: 200 when all is well, else 503, with the reasons as JSON."""
    # Here and not above: a process that serves nothing does not pay for it.
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    def healthz(_: Request) -> JSONResponse:
        alive = health.alive()
        return JSONResponse({"alive": alive}, status_code=200 if alive else 503)

    def readyz(_: Request) -> JSONResponse:
        found = health.readiness()
        body = {
            "ready": found.ready,
            "reasons": found.reasons,
            "waiting_readings": found.waiting,
            "store_used": round(found.store_share, 4),
            "set_aside_reports": found.set_aside,
            "expired_readings": found.expired_readings,
            "dropped_readings": found.dropped_readings,
            "push": found.push,
        }
        return JSONResponse(body, status_code=200 if found.ready else 503)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz)])
