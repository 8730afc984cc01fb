"""A report's JSON (3.1.0 reportRequest), rendered straight to bytes."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import orjson

from app.openadr import slug, write_duration, write_instant
from app.reporting.quantities import DATA_QUALITY
from app.reporting.requests import ReportRequest
from app.reporting.values import Values


@dataclass(frozen=True, kw_only=True)
class RenderedReport:
    """A body that is ready to be sent."""

    name: str
    body: bytes
    readings: int
    """How many values it holds."""
    is_empty: bool = False
    """Whether there is nothing to tell."""


def render(
    *,
    ven_name: str,
    request: ReportRequest,
    values: Sequence[Values],
    columns: slice,
    name: str | None = None,
) -> RenderedReport:
    """One report of one VEN: these values, of the resources in these columns.

    `name`: the one it was given before, when it is made again. Each interval carries its own start.
    A NaN is no value and makes no interval, unless the quality of all is asked for.
    """
    by_resource: dict[bytes, list[bytes]] = {}
    readings = 0
    for place, due in enumerate(values):
        period = orjson.dumps(
            {"start": write_instant(due.start), "duration": write_duration(due.duration)}
        )
        head = b'{"id":%d,"intervalPeriod":%b,"payloads":[{"type":%b,"values":[' % (
            place if due.interval_id is None else due.interval_id,
            period,
            orjson.dumps(request.payload_type),
        )
        tails = _tails(due, columns)
        for resource, number, tail in zip(
            due.quoted_names[columns], due.tokens(columns), tails, strict=True
        ):
            if number != b"null":
                readings += 1
                interval = head + number + tail
            elif due.quality is not None:
                interval = head + tail
            else:
                continue
            try:
                by_resource[resource].append(interval)
            except KeyError:
                by_resource[resource] = [interval]
    name = name or report_name(ven_name, request, values, columns)
    resources = b",".join(
        b'{"resourceName":%b,"intervals":[%b]}' % (resource, b",".join(intervals))
        for resource, intervals in by_resource.items()
    )
    head = orjson.dumps(
        {
            "eventID": request.event_id,
            "clientName": ven_name,
            "reportName": name,
            "payloadDescriptors": list(_descriptors(request)),
        }
    )
    body = head[:-1] + b',"resources":[' + resources + b"]}"
    return RenderedReport(name=name, body=body, readings=readings, is_empty=not by_resource)


def _tails(due: Values, columns: slice) -> Iterable[bytes]:
    """What follows each number: with its DATA_QUALITY, where that is asked for (3.1.0, 7.8)."""
    if due.quality is None:
        return itertools.repeat(b"]}]}", len(due.quoted_names[columns]))
    return [
        b']},{"type":"DATA_QUALITY","values":["%b"]}]}' % quality.encode()
        for quality in due.quality[columns]
    ]


def _descriptors(request: ReportRequest) -> Iterator[dict[str, str]]:
    described = {"readingType": request.reading_type, "units": request.units}
    yield {
        "objectType": "REPORT_PAYLOAD_DESCRIPTOR",
        "payloadType": request.payload_type,
        **{name: value for name, value in described.items() if value is not None},
    }
    if request.with_quality:
        yield {"objectType": "REPORT_PAYLOAD_DESCRIPTOR", "payloadType": DATA_QUALITY}


def report_name(
    ven_name: str, request: ReportRequest, values: Sequence[Values], columns: slice
) -> str:
    """The same for the same readings and no others, at most 128 ASCII characters.

    Made of instants and not of the store's numbers, which begin anew with a new database.
    """
    parts = [
        ven_name,
        request.event_id,
        request.descriptor,
        write_instant(values[0].start),
        write_instant(values[-1].start + values[-1].duration),
        f"{columns.start}-{columns.stop}",
    ]
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
    return f"{slug(ven_name)[:60]}-{request.payload_type[:30]}-{digest}".encode(
        "ascii", "replace"
    ).decode()
