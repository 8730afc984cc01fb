"""What the VTN answers where it refuses: the schema `problem` (RFC 7807)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.vtn.errors import CallbackFailed, Conflict, Gone, Refused

logger = logging.getLogger(__name__)


def problem(
    status: int, detail: str | None = None, headers: dict[str, str] | None = None
) -> Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    return JSONResponse(
        {**body, "detail": detail} if detail else body, status_code=status, headers=headers
    )


def _refused(_: Request, error: Any) -> Response:
    headers = {"WWW-Authenticate": 'Bearer realm="VTN"'} if error.status == 401 else None
    return problem(error.status, str(error), headers)


def _conflict(_: Request, error: Exception) -> Response:
    return problem(409, str(error))


def _gone(_: Request, error: Exception) -> Response:
    return problem(404, str(error))


def _callback_failed(_: Request, error: Exception) -> Response:
    return problem(400, str(error))


def _http_error(_: Request, error: Any) -> Response:
    return problem(error.status_code, None, dict(error.headers or {}))


def _failed(request: Request, error: Exception) -> Response:
    logger.error("VTN: %s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500)


HANDLERS = {
    Refused: _refused,
    Conflict: _conflict,
    Gone: _gone,
    CallbackFailed: _callback_failed,
    HTTPException: _http_error,
    Exception: _failed,
}
"""Every error leaves as a problem."""
