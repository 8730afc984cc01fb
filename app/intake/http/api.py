"""The application that answers: who asks, what may be asked, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from itertools import islice
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.intake.errors import RequestRefused
from app.intake.files import SeriesFields
from app.intake.http.answers import RETRY_AFTER, answered
from app.intake.http.bodies import FORMS, measurements, unpacked
from app.intake.http.influx import InfluxApi
from app.intake.http.openapi import DOCUMENT
from app.intake.http.ports import ListsGaps, TakesMeasurements, TakesOutcomes
from app.intake.http.refused_tokens import RefusedTokens
from app.intake.http.turns import MAX_BODIES, Turns
from app.intake.measurement import Receipt, Refusals
from app.intake.refusal_log import RefusalLog
from app.intake.sources import HttpSource, Source
from app.intake.sources_file import SourcesFile
from app.intake.status import IntakeStats
from app.platform import json_bytes

MAX_REFUSED = 100
"""That an answer names one by one."""
MAX_GAPS = 10_000
BEARER = {"WWW-Authenticate": 'Bearer realm="readings"'}


class IntakeApi:
    """`POST /readings` and `GET /readings/gaps`, each with the bearer token of a source; and what
    writes to InfluxDB writes there (`influx.py`)."""

    def __init__(
        self,
        *,
        intake: TakesMeasurements,
        sources: SourcesFile,
        exports: ListsGaps,
        stats: IntakeStats,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        refusal_log: RefusalLog,
        outcomes: TakesOutcomes,
        waits_for_others: bool = False,
    ) -> None:
        self._intake = intake
        self._outcomes = outcomes
        self._stats = stats
        self._sources = sources
        self._exports = exports
        self._series = SeriesFields()
        self._turns = Turns(at_once=MAX_BODIES) if waits_for_others else Turns()
        self._refused_tokens = RefusedTokens(stats=stats, monotonic=monotonic)
        self._influx = InfluxApi(
            intake=intake,
            sources=sources,
            stats=stats,
            clock=clock,
            refusal_log=refusal_log,
            turns=self._turns,
            refused_tokens=self._refused_tokens,
        )

    def application(self) -> Any:
        """For an ASGI server."""
        routes = [
            Route("/readings", answered(self._post, problem), methods=["POST"]),
            Route("/readings/gaps", answered(self._gaps, problem), methods=["GET"]),
            Route("/outcomes", answered(self._outcome, problem), methods=["POST"]),
            Route("/openapi.json", answered(self._document, problem), methods=["GET"]),
            *self._influx.routes(),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})

    async def _post(self, request: Request) -> Response:
        source = self._source(request)
        form = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if form not in FORMS:
            raise RequestRefused(415, f"Content-Type must be one of {', '.join(FORMS)}")
        encoding = request.headers.get("content-encoding", "").strip().lower()
        receipt = await self._turns.with_body(
            request, lambda body: self._take(body, encoding, form, source)
        )
        return json_answer(200, _receipt(receipt))

    def _take(self, body: bytes, encoding: str, form: str, source: Source) -> Receipt:
        refusals = Refusals()
        content = unpacked(body, encoding)
        found = measurements(content, form, refusals, zone=source.zone, series=self._series)
        receipt = Receipt() if found is None else self._intake.take(found, source)
        receipt.refusals.extend(refusals)
        self._stats.refused(source.name, receipt.refusals)
        return receipt

    async def _gaps(self, request: Request) -> Response:
        source = self._source(request)
        start, end = (instant(request, name) for name in ("from", "to"))
        if end <= start:
            raise RequestRefused(422, "to is not after from")

        gaps = await self._turns.do(
            lambda: first_gaps(self._exports, start, end, source=source.name)
        )
        return json_answer(200, {"gaps": gaps, "is_complete": len(gaps) < MAX_GAPS})

    async def _outcome(self, request: Request) -> Response:
        """What a device answers to an order."""
        actuator = self._outcomes.actuator_of_token(_bearer(request))
        if actuator is None:
            words = "the bearer token is that of no actuator"
            raise self._refused_tokens.refuse(request, words, BEARER)

        def take(body: bytes) -> bool:
            try:
                return self._outcomes.post(actuator, body)
            except ValueError as error:
                raise RequestRefused(422, str(error)) from None

        if not await self._turns.with_body(request, take):
            raise RequestRefused(429, "too many outcomes wait already", RETRY_AFTER)
        return Response(status_code=204)

    async def _document(self, request: Request) -> Response:
        del request
        return json_answer(200, DOCUMENT)

    def _source(self, request: Request) -> Source:
        source = self._sources.of_token(_bearer(request))
        if not isinstance(source, HttpSource):
            words = "the bearer token is that of no source of type http"
            raise self._refused_tokens.refuse(request, words, BEARER)
        return source


def _bearer(request: Request) -> str:
    """Blank: it has none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def instant(request: Request, name: str) -> datetime:
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


def first_gaps(
    exports: ListsGaps, start: datetime, end: datetime, *, source: str | None
) -> list[dict[str, str]]:
    """MAX_GAPS of them at the most."""
    return [gap.fields() for gap in islice(exports.gaps(start, end, source=source), MAX_GAPS)]


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


def json_answer(status: int, content: Any, headers: dict[str, str] | None = None) -> Response:
    return Response(json_bytes(content), status, headers, media_type="application/json")


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status}
    content = json_bytes({**body, "detail": detail} if detail else body)
    return Response(content, status, headers, media_type="application/problem+json")


async def _http_error(request: Request, error: Any) -> Response:
    del request
    return problem(error.status_code, "", dict(error.headers or {}))
