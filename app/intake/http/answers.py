"""How a server of ours answers what goes wrong, in whatever form its clients read."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from app.intake.errors import RequestRefused
from app.platform import OperationalError

logger = logging.getLogger(__name__)
RETRY_AFTER = {"Retry-After": "5"}
WriteError = Callable[[int, str, Mapping[str, str] | None], Response]
"""Makes an answer of a status, a line for people (blank: there is none), and headers."""


def answered(handler: Callable[[Request], Any], write_error: WriteError) -> Any:
    """What answers a request as `handler` does, and each error as `write_error` writes it."""

    async def answer(request: Request) -> Response:
        try:
            found: Response = await handler(request)
        except RequestRefused as error:
            return write_error(error.status, str(error), error.headers)
        except ClientDisconnect:
            return write_error(400, "the body is cut off", None)
        except OperationalError as error:
            return write_error(503, str(error), RETRY_AFTER)
        except Exception:
            logger.exception("%s %s failed", request.method, request.url.path)
            return write_error(500, "", None)
        return found

    return answer
