"""A report's JSON (3.1.0 reportRequest), rendered straight to bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from app.openadr import slug, write_duration, write_instant
from app.reporting.requests import ReportRequest
from app.reporting.values import Values

DECIMALS = 9
"""Enough for the energy of a watt over a millisecond, and free of float noise."""


@dataclass(frozen=True, kw_only=True)
class RenderedReport:
    """A body that is ready to be sent."""

    name: str
    body: bytes
    readings: int
    """How many values it holds."""


def render(
    *,
    ven_name: str,
    request: ReportRequest,
    values: Sequence[Values],
    columns: slice,
    name: str | None = None,
) -> RenderedReport:
    """One report of one VEN: these values, of the resources in these columns.

    `name`: the one it was given before, when it is made again.

    Its intervals are the VEN's own (rules.md, 'Reports': VEN-determined); each carries its start.
    A NaN is no value and makes no interval.
    """
    by_resource: dict[bytes, list[bytes]] = {}
    readings = 0
    for interval_id, due in enumerate(values):
        period = orjson.dumps(
            {"start": write_instant(due.start), "duration": write_duration(due.duration)}
        )
        head = b'{"id":%d,"intervalPeriod":%b,"payloads":[{"type":%b,"values":[' % (
            interval_id,
            period,
            orjson.dumps(request.payload_type),
        )
        for resource, number in zip(due.quoted_names[columns], _numbers(due, columns), strict=True):
            if number != b"null":
                readings += 1
                interval = head + number + b"]}]}"
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
            "payloadDescriptors": [
                {
                    "objectType": "REPORT_PAYLOAD_DESCRIPTOR",
                    "payloadType": request.payload_type,
                    "readingType": request.reading_type,
                    "units": request.units,
                }
            ],
        }
    )
    body = head[:-1] + b',"resources":[' + resources + b"]}"
    return RenderedReport(name=name, body=body, readings=readings)


def _numbers(due: Values, columns: slice) -> list[bytes]:
    numbers = due.numbers[columns]
    if not len(numbers):
        return []
    if numbers.dtype == np.float64:
        numbers = np.round(numbers, DECIMALS)
    text = orjson.dumps(np.ascontiguousarray(numbers), option=orjson.OPT_SERIALIZE_NUMPY)
    return text[1:-1].split(b",")


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
