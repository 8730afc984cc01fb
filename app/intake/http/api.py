"""The application that answers: who asks, what may be asked, and what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any

import anyio
from anyio import to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from app.intake.errors import RequestRefused
from app.intake.exports import Exports
from app.intake.files import SeriesFields
from app.intake.http.bodies import FORMS, MAX_BODY_BYTES, measurements, unpacked
from app.intake.http.openapi import DOCUMENT
from app.intake.intake import Intake
from app.intake.measurement import Receipt, Refusals
from app.intake.sources import Source, SourcesFile
from app.platform import OperationalError, bounded_body, json_bytes

logger = logging.getLogger(__name__)
MAX_READ_BYTES = 4 * MAX_BODY_BYTES
MAX_AT_ONCE = 2
"""Bodies that are read at a time; others wait."""
MAX_WAITING = 32
"""Who comes beyond is asked to come later."""
MAX_REFUSED = 100
"""That an answer names one by one."""
MAX_GAPS = 10_000
BODY_S = 30.0
"""That a body may take."""
RETRY_AFTER = {"Retry-After": "5"}


class IntakeApi:
    """`POST /readings` and `GET /readings/gaps`, each with the bearer token of a source."""

    def __init__(self, *, intake: Intake, sources: SourcesFile, exports: Exports) -> None:
        self._intake = intake
        self._sources = sources
        self._exports = exports
        self._series = SeriesFields()
        self._readers = anyio.CapacityLimiter(MAX_AT_ONCE)
        self._waiting = 0

    def application(self) -> Any:
        """For an ASGI server."""
        routes = [
            Route("/readings", self._answered(self._post), methods=["POST"]),
            Route("/readings/gaps", self._answered(self._gaps), methods=["GET"]),
            Route("/openapi.json", self._answered(self._document), methods=["GET"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})

    def _answered(self, handler: Callable[[Request], Any]) -> Any:
        """Every error leaves as a problem (RFC 9457)."""

        async def answer(request: Request) -> Response:
            try:
                found: Response = await handler(request)
            except RequestRefused as error:
                return _problem(error.status, str(error), error.headers)
            except ClientDisconnect:
                return _problem(400, "the body is cut off")
            except OperationalError as error:
                return _problem(503, str(error), RETRY_AFTER)
            except Exception:
                logger.exception("%s %s failed", request.method, request.url.path)
                return _problem(500, "")
            return found

        return answer

    async def _post(self, request: Request) -> Response:
        source = self._source(request)
        form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if form not in FORMS:
            raise RequestRefused(415, f"Content-Type must be one of {', '.join(FORMS)}")
        encoding = request.headers.get("content-encoding", "").strip().lower()
        with self._waiting_place():
            try:
                with anyio.fail_after(BODY_S):
                    body = await bounded_body(
                        request.stream(), max_bytes=MAX_BODY_BYTES, max_read_bytes=MAX_READ_BYTES
                    )
            except TimeoutError:
                raise RequestRefused(408, f"the body took longer than {BODY_S:.0f} s") from None
            if body is None:
                raise RequestRefused(413, f"the body is more than {MAX_BODY_BYTES >> 20} MiB")
            receipt = await self._in_turn(lambda: self._take(body, encoding, form, source))
        return _json(200, _receipt(receipt))

    def _take(self, body: bytes, encoding: str, form: str, source: Source) -> Receipt:
        refusals = Refusals()
        content = unpacked(body, encoding)
        found = measurements(content, form, refusals, zone=source.zone, series=self._series)
        receipt = Receipt() if found is None else self._intake.take(found, source)
        receipt.refusals.extend(refusals)
        self._intake.refused(receipt.refusals, source)
        return receipt

    async def _gaps(self, request: Request) -> Response:
        source = self._source(request)
        start, end = (_instant(request, name) for name in ("from", "to"))
        if end <= start:
            raise RequestRefused(422, "to is not after from")

        def found() -> list[dict[str, str]]:
            gaps: list[dict[str, str]] = []
            for gap in self._exports.gaps(start, end, source=source.name):
                if len(gaps) >= MAX_GAPS:
                    break
                gaps.append(gap.fields())
            return gaps

        with self._waiting_place():
            gaps = await self._in_turn(found)
        return _json(200, {"gaps": gaps, "is_complete": len(gaps) < MAX_GAPS})

    async def _document(self, request: Request) -> Response:
        del request
        return _json(200, DOCUMENT)

    async def _in_turn(self, work: Callable[[], Any]) -> Any:
        return await to_thread.run_sync(work, limiter=self._readers)

    @contextmanager
    def _waiting_place(self) -> Iterator[None]:
        """Among those whose bodies are in memory."""
        if self._waiting >= MAX_WAITING:
            raise RequestRefused(429, "too many requests at a time", RETRY_AFTER)
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    def _source(self, request: Request) -> Source:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        source = self._sources.of_token(token.strip()) if scheme.lower() == "bearer" else None
        if source is None:
            headers = {"WWW-Authenticate": 'Bearer realm="readings"'}
            raise RequestRefused(401, "the bearer token is that of no source", headers)
        return source


def _instant(request: Request, name: str) -> datetime:
    text = request.query_params.get(name, "")
    try:
        instant = datetime.fromisoformat(text.replace(" ", "+"))
        if instant.tzinfo is None or not 1970 < instant.year < 2200:
            raise ValueError
    except ValueError:
        raise RequestRefused(
            422, f"{name} must be an instant with an offset, such as 2026-03-01T00:00Z"
        ) from None
    return instant


def _receipt(receipt: Receipt) -> dict[str, Any]:
    first = sorted(receipt.refusals.first[:MAX_REFUSED])
    return {
        "taken": receipt.taken,
        "repeated": receipt.repeated,
        "corrected": receipt.corrected,
        "late": receipt.late,
        "not_told": receipt.not_told,
        "refused": [{"index": each.line - 1, "reason": each.reason} for each in first],
        "refused_count": receipt.refusals.count,
    }


def _json(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(json_bytes(content), status, headers, media_type="application/json")


def _problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    content = json_bytes({**body, "detail": detail} if detail else body)
    return Response(content, status, headers, media_type="application/problem+json")


async def _http_error(request: Request, error: Any) -> Response:
    del request
    return _problem(error.status_code, "", dict(error.headers or {}))
