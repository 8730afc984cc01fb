"""What writes to InfluxDB writes here: `POST /write` and `POST /api/v2/write`.

As InfluxDB 1 and 2 answer: 204 when it is durable, 400 with the line that is wrong, and the other
lines are taken all the same.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.intake.errors import RequestRefused
from app.intake.http.answers import answered
from app.intake.http.bodies import unpacked
from app.intake.http.ports import TakesMeasurements
from app.intake.http.refused_tokens import RefusedTokens
from app.intake.http.turns import Turns
from app.intake.line_protocol import MAX_LINES, PRECISIONS_NS, LineReader
from app.intake.measurement import Refusals
from app.intake.refusal_log import RefusalLog
from app.intake.sources import InfluxSource
from app.intake.sources_file import SourcesFile
from app.intake.status import IntakeStats
from app.platform import json_bytes, to_us

VERSION = {"X-Influxdb-Version": "2.7.0"}
"""Clients ask whom they write to."""
CODES = {400: "invalid", 401: "unauthorized", 413: "request too large"}
"""What InfluxDB 2 says beside a status."""


class InfluxApi:
    """Takes line protocol, with the token of a source of type influx."""

    def __init__(
        self,
        *,
        intake: TakesMeasurements,
        sources: SourcesFile,
        stats: IntakeStats,
        clock: Callable[[], datetime],
        refusal_log: RefusalLog,
        turns: Turns,
        refused_tokens: RefusedTokens,
    ) -> None:
        self._intake = intake
        self._sources = sources
        self._stats = stats
        self._clock = clock
        self._refusal_log = refusal_log
        self._turns = turns
        self._refused_tokens = refused_tokens
        self._readers: dict[str, tuple[InfluxSource, LineReader]] = {}

    def routes(self) -> list[Route]:
        """Of this server."""
        return [
            Route("/write", answered(self._write, influx_error), methods=["POST"]),
            Route("/api/v2/write", answered(self._write, influx_error), methods=["POST"]),
            Route("/query", answered(self._query, influx_error), methods=["GET", "POST"]),
            Route("/ping", _ping, methods=["GET", "HEAD"]),
            Route("/health", _health, methods=["GET"]),
        ]

    async def _write(self, request: Request) -> Response:
        source = self._source(request)
        precision = request.query_params.get("precision", "")
        if precision not in PRECISIONS_NS:
            known = ", ".join(filter(None, PRECISIONS_NS))
            raise RequestRefused(400, f"precision {precision[:20]!r} is none of {known}")
        encoding = request.headers.get("content-encoding", "").strip().lower()
        wrong = await self._turns.with_body(
            request, lambda body: self._take(body, encoding, precision, source)
        )
        if wrong:
            more = f" (and {len(wrong) - 1} lines more)" if len(wrong) > 1 else ""
            number, words = wrong[0]
            return influx_error(400, f"partial write: unable to parse line {number}: {words}{more}")
        return Response(status_code=204, headers=VERSION)

    def _take(
        self, body: bytes, encoding: str, precision: str, source: InfluxSource
    ) -> list[tuple[int, str]]:
        """Store what can be read of it; the lines that cannot."""
        try:
            text = unpacked(body, encoding).decode()
        except UnicodeDecodeError:
            raise RequestRefused(400, "the body is no UTF-8 text") from None
        now_us = to_us(self._clock())
        if text.count("\n") > MAX_LINES:
            raise RequestRefused(413, f"more than {MAX_LINES} lines in one body")
        read = self._reader(source).read(text, precision=precision, now_us=now_us)
        refused = Refusals()
        refused.extend(read.refused)
        if read.measurements is not None:
            refused.extend(self._intake.take(read.measurements, source).refusals)
        for number, words in read.wrong:
            refused.add(number, "", words)
        self._stats.refused(source.name, refused)
        self._stats.came_to_nothing(source.name, ignored=read.ignored)
        self._refusal_log.say(refused, source)
        return read.wrong

    def _reader(self, source: InfluxSource) -> LineReader:
        known = self._readers.get(source.name)
        if known is None or known[0] is not source:
            known = self._readers[source.name] = source, LineReader(source.measurements)
        return known[1]

    async def _query(self, request: Request) -> Response:
        """Clients of InfluxDB 1 make their database first; here it is there already."""
        self._source(request)
        asked = request.query_params.get("q", "")
        if request.method == "POST" and not asked:
            asked = await self._turns.with_body(
                request, lambda body: parse_qs(body.decode(errors="replace")).get("q", [""])[0]
            )
        if not asked.strip().upper().startswith("CREATE DATABASE"):
            return influx_error(400, "readings are written here, and not queried")
        content = json_bytes({"results": [{"statement_id": 0}]})
        return Response(content, 200, VERSION, media_type="application/json")

    def _source(self, request: Request) -> InfluxSource:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        read = SCHEMES.get(scheme.lower())
        if read is not None:
            source = self._sources.of_token(read(given))
        else:  # as clients of InfluxDB 1 may do
            source = self._sources.of_token(request.query_params.get("p", ""))
        if not isinstance(source, InfluxSource):
            headers = {"WWW-Authenticate": 'Basic realm="readings"'}
            words = "the token is that of no source of type influx"
            raise self._refused_tokens.refuse(request, words, headers)
        return source


def _password(given: str) -> str:
    try:
        return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def influx_error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """503 for 429: Telegraf's output for InfluxDB 1 throws away what is answered with 4xx."""
    status = 503 if status == 429 else status
    code = CODES.get(status, HTTPStatus(status).phrase.lower())
    said = message or HTTPStatus(status).phrase
    content = json_bytes({"code": code, "message": said, "error": said})
    return Response(content, status, {**VERSION, **(headers or {})}, media_type="application/json")


SCHEMES: Mapping[str, Callable[[str], str]] = {
    "token": str.strip,
    "bearer": str.strip,
    "basic": _password,
}
"""How the token stands in the header, by the scheme of authorization."""


async def _ping(request: Request) -> Response:
    del request
    return Response(status_code=204, headers=VERSION)


async def _health(request: Request) -> Response:
    del request
    content = json_bytes({"name": "influxdb", "status": "pass", "message": "ready for writes"})
    return Response(content, 200, VERSION, media_type="application/json")
