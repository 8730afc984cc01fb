"""What the owner of a shard takes from the gateway: the same as is sent to it, read already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.intake.errors import RequestRefused
from app.intake.handed_on import HandedOn, Part
from app.intake.http.answers import RETRY_AFTER, answered
from app.intake.http.api import first_gaps, instant, json_answer, problem
from app.intake.http.ports import ListsGaps, TakesOutcomes
from app.intake.http.turns import Turns
from app.intake.intake import Intake
from app.intake.measurement import MeterName
from app.intake.sources import Source
from app.intake.sources_file import SourcesFile

MAX_BODY_BYTES = 64 << 20
"""A batch of the most readings, each of a meter of its own with a long name."""


class InternalApi:
    """`POST /measurements` and `/unknown`, `GET /gaps`, `POST /outcomes`; who may ask, the endpoint
    knows."""

    def __init__(
        self,
        *,
        intake: Intake,
        sources: SourcesFile,
        exports: ListsGaps,
        outcomes: TakesOutcomes,
    ) -> None:
        self._intake = intake
        self._sources = sources
        self._exports = exports
        self._outcomes = outcomes
        self._turns = Turns(max_body_bytes=MAX_BODY_BYTES)

    def application(self) -> Any:
        """For an ASGI server."""
        return Starlette(
            routes=[
                Route("/measurements", answered(self._measurements, problem), methods=["POST"]),
                Route("/unknown", answered(self._unknown, problem), methods=["POST"]),
                Route("/gaps", answered(self._gaps, problem), methods=["GET"]),
                Route("/outcomes", answered(self._outcome, problem), methods=["POST"]),
            ]
        )

    async def _measurements(self, request: Request) -> Response:
        def take(body: bytes) -> bytes:
            try:
                handed_on = HandedOn.read(body)
            except ValueError as error:
                raise RequestRefused(422, str(error)) from None
            part: Part = self._intake.take_part(
                handed_on.batch,
                self._source(handed_on.source),
                leaves_unknown=handed_on.leaves_unknown,
            )
            return part.to_bytes()

        return Response(await self._turns.with_body(request, take), 200)

    async def _unknown(self, request: Request) -> Response:
        def look(body: bytes) -> Sequence[int]:
            said = orjson.loads(body)
            meters = [MeterName(*each) for each in said["meters"]]
            return self._intake.unknown(meters, self._source(said["source"]))

        return json_answer(200, await self._turns.with_body(request, look))

    def _source(self, name: str) -> Source:
        source = self._sources.all().get(name)
        if source is None:
            raise RequestRefused(503, f"source {name!r} is not in its file here")
        return source

    async def _gaps(self, request: Request) -> Response:
        start, end = (instant(request, name) for name in ("from", "to"))
        source = request.query_params.get("source") or None

        return json_answer(
            200,
            await self._turns.do(lambda: first_gaps(self._exports, start, end, source=source)),
        )

    async def _outcome(self, request: Request) -> Response:
        actuator = request.query_params.get("actuator", "")

        def take(body: bytes) -> bool:
            try:
                return self._outcomes.post(actuator, body)
            except ValueError as error:
                raise RequestRefused(422, str(error)) from None

        if not await self._turns.with_body(request, take):
            raise RequestRefused(429, "too many outcomes wait already", RETRY_AFTER)
        return Response(status_code=204)
