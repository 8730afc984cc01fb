"""Listens for the VTN's calls: GET with `echo`, POST with a notification."""

from __future__ import annotations

import logging
from typing import Any

from app.platform import CertificateError, Listener, bounded_body
from app.push.inbox import Inbox
from app.push.webhooks import Webhooks

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 20
MAX_READ_BYTES = 8 * MAX_BODY_BYTES
CALL_LASTS_S = 10.0
MAX_CALLS_AT_ONCE = 200
"""What is more gets 503: it comes again, or is found by a poll."""


class CallbackServer:
    """Answers where `server` listens, `where` in words. Building it does no I/O."""

    def __init__(
        self,
        *,
        server: Listener,
        where: str,
        webhooks: Webhooks,
        inbox: Inbox,
    ) -> None:
        self._where = where
        self._webhooks = webhooks
        self._inbox = inbox
        self._server = server

    def start(self) -> None:
        """Listen and answer. What stands against it is a warning: polling continues."""
        if self._server.is_serving:
            return
        try:
            self._server.listen()
        except CertificateError as error:
            logger.warning(
                "webhooks are not heard: CALLBACK__CERTIFICATE or CALLBACK__KEY cannot be used: %s",
                error,
            )
            return
        except OSError as error:
            logger.warning(
                "webhooks are not heard, since %s cannot be listened on: %s;"
                " choose another CALLBACK__PORT",
                self._where,
                error.strerror,
            )
            return
        self._server.serve(make_callback(self._webhooks, self._inbox))

    def close(self) -> None:
        """Stop listening. May be called again."""
        self._server.close()


def make_callback(webhooks: Webhooks, inbox: Inbox) -> Any:
    """The ASGI application. What is not right is counted, and changes nothing."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import PlainTextResponse, Response
    from starlette.routing import Route

    async def challenge(request: Request) -> Response:
        said = webhooks.echo(request.path_params["path"], request.query_params)
        if said is None:
            inbox.count("refused")
            return PlainTextResponse("no such callback", status_code=404)
        return PlainTextResponse(said, headers={"X-Content-Type-Options": "nosniff"})

    async def notify(request: Request) -> Response:
        path = request.path_params["path"]
        allowed = webhooks.allows(path, request.headers.get("Authorization", ""))
        if not allowed:
            inbox.count("refused")
            return PlainTextResponse("", status_code=404 if allowed is None else 401)
        body = await bounded_body(
            request.stream(), max_bytes=MAX_BODY_BYTES, max_read_bytes=MAX_READ_BYTES
        )
        if body is None:
            inbox.count("refused")
            return PlainTextResponse("", status_code=413)
        webhooks.heard(path, body)
        return PlainTextResponse("")

    async def callback(request: Request) -> Response:
        answer = await (notify if request.method == "POST" else challenge)(request)
        # Calls are rare, and a TLS connection that idles holds the server when it closes.
        answer.headers["Connection"] = "close"
        return answer

    # A proxy may put something before the last part, or take it away.
    paths = ("/{path}", "/{before:path}/{path}")
    return Starlette(routes=[Route(path, callback, methods=["GET", "POST"]) for path in paths])
