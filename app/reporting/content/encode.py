"""A report's JSON (3.1.0 reportRequest), rendered straight to bytes."""

from __future__ import annotations

import functools
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import orjson

from app.intake import Quality
from app.openadr import slug, write_duration, write_instant
from app.platform import from_us, json_bytes, to_us
from app.reporting.content.instant import DECIMALS, Values
from app.reporting.content.readings import Readings
from app.reporting.requests import DATA_QUALITY, ReportRequest


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
    A NaN is no value and makes no interval, unless the quality of all is asked for: then it is 0,
    and MISSING. A word that is missing makes none in any case.
    """
    heads = [_head(request, place, due) for place, due in enumerate(values)]
    tokens = [due.tokens(columns) for due in values]
    if _is_a_table(values, tokens):
        resources = _of_table(values[0].quoted_names[columns], heads, tokens)
        readings = sum(map(len, tokens))
    else:
        resources, readings = _one_by_one(values, columns, heads, tokens)
    name = name or report_name(ven_name, request, values, columns)
    body = _body(ven_name, request, name, resources)
    return RenderedReport(name=name, body=body, readings=readings, is_empty=not resources)


def render_readings(
    *,
    ven_name: str,
    request: ReportRequest,
    readings: Readings,
    name: str | None = None,
    corrected_since: datetime | None = None,
) -> RenderedReport:
    """One report of one VEN: each reading in an interval of its own, numbered by resource.

    `corrected_since`: since when other values are known of them than were told.
    """
    rounded = np.round(readings.value, DECIMALS) + 0.0  # no -0.0
    numbers = orjson.dumps(rounded, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
    kind = _quoted(request.payload_type)
    tails = [ENDS_INTERVAL] * len(readings)
    if request.with_quality:
        tails = [_QUALITY_TAIL % Quality(each).name.encode() for each in readings.quality.tolist()]
    times = zip(readings.start_us.tolist(), readings.end_us.tolist(), strict=True)
    intervals = [
        b'"intervalPeriod":%b,"payloads":[{"type":%b,"values":[%b%b'
        % (_period_us(start_us, end_us), kind, number, tail)
        for (start_us, end_us), number, tail in zip(times, numbers, tails, strict=False)
    ]
    resources = []
    places, begins = np.unique(readings.resource, return_index=True)
    cuts = [*begins.tolist(), len(readings)]
    for place, begin, end in zip(places.tolist(), cuts, cuts[1:], strict=False):
        own = b",".join(
            b'{"id":%d,%b' % (number, interval)
            for number, interval in enumerate(intervals[begin:end])
        )
        quoted = json_bytes(readings.names[place])
        resources.append(b"%b%b%b%b%b" % (OPENS, quoted, INTERVALS, own, ENDS_RESOURCE))
    name = name or _name_of_readings(ven_name, request, readings, corrected_since)
    return RenderedReport(
        name=name,
        body=_body(ven_name, request, name, b",".join(resources)),
        readings=len(readings),
        is_empty=not len(readings),
    )


def _body(ven_name: str, request: ReportRequest, name: str, resources: bytes) -> bytes:
    head = orjson.dumps(
        {
            "eventID": request.event_id,
            "clientName": ven_name,
            "reportName": name,
            "payloadDescriptors": list(payload_descriptors(request)),
        }
    )
    return b'%b,"resources":[%b]}' % (head[:-1], resources)


def _head(request: ReportRequest, place: int, due: Values) -> bytes:
    """What stands before each value of an interval."""
    return b'{"id":%d,"intervalPeriod":%b,"payloads":[{"type":%b,"values":[' % (
        place if due.interval_id is None else due.interval_id,
        _period(due.start, due.duration),
        _quoted(request.payload_type),
    )


@functools.lru_cache(maxsize=1024)
def _period(start: datetime, duration: timedelta) -> bytes:
    """The same for all VENs of a frame."""
    return json_bytes({"start": write_instant(start), "duration": write_duration(duration)})


@functools.lru_cache(maxsize=4096)
def _period_us(start_us: int, end_us: int) -> bytes:
    """The same for all meters that are read at one time."""
    return _period(from_us(start_us), timedelta(microseconds=end_us - start_us))


@functools.lru_cache(maxsize=1024)
def _quoted(text: str) -> bytes:
    return json_bytes(text)


OPENS = b'{"resourceName":'
INTERVALS = b',"intervals":['
ENDS_INTERVAL = b"]}]}"
ENDS_RESOURCE = b"]}"
_QUALITY_TAIL = b']},{"type":"DATA_QUALITY","values":["%b"]}]}'


def _is_a_table(values: Sequence[Values], tokens: Sequence[Sequence[bytes]]) -> bool:
    """Whether every resource has a value, and no more, in every interval."""
    names = values[0].quoted_names
    return bool(tokens[0]) and all(
        due.quality is None and due.quoted_names == names and b"null" not in of_due
        for due, of_due in zip(values, tokens, strict=True)
    )


def _of_table(
    names: Sequence[bytes], heads: Sequence[bytes], tokens: Sequence[Sequence[bytes]]
) -> bytes:
    """All resources at once: what is the same for each is laid between what is not."""
    width = 2 + 2 * len(heads)
    pieces = [b""] * (width * len(names))
    pieces[0::width] = names
    before = INTERVALS
    for place, (head, of_due) in enumerate(zip(heads, tokens, strict=True)):
        pieces[1 + 2 * place :: width] = [before + head] * len(names)
        pieces[2 + 2 * place :: width] = of_due
        before = ENDS_INTERVAL + b","
    next_one = ENDS_INTERVAL + ENDS_RESOURCE + b"," + OPENS
    pieces[width - 1 :: width] = [next_one] * len(names)
    pieces[-1] = ENDS_INTERVAL + ENDS_RESOURCE
    return OPENS + b"".join(pieces)


def _one_by_one(
    values: Sequence[Values],
    columns: slice,
    heads: Sequence[bytes],
    tokens: Sequence[Sequence[bytes]],
) -> tuple[bytes, int]:
    """The same where values are missing, resources change, or the quality is told."""
    by_resource: dict[bytes, list[bytes]] = {}
    readings = 0
    for due, head, of_due in zip(values, heads, tokens, strict=True):
        tails = _tails(due, columns)
        for resource, number, tail in zip(due.quoted_names[columns], of_due, tails, strict=True):
            if number != b"null":
                readings += 1
                interval = head + number + tail
            elif due.quality is not None and due.numbers.dtype != object:
                interval = head + b"0" + tail  # a value there must be (figure 12 of the Definition)
            else:
                continue
            by_resource.setdefault(resource, []).append(interval)
    resources = b",".join(
        OPENS + resource + INTERVALS + b",".join(intervals) + ENDS_RESOURCE
        for resource, intervals in by_resource.items()
    )
    return resources, readings


def _tails(due: Values, columns: slice) -> Iterable[bytes]:
    """What follows each number: with its DATA_QUALITY, where that is asked for (3.1.0, 7.8)."""
    if due.quality is None:
        return itertools.repeat(ENDS_INTERVAL, len(due.quoted_names[columns]))
    return [_QUALITY_TAIL % quality.encode() for quality in due.quality[columns]]


def payload_descriptors(request: ReportRequest) -> Iterator[dict[str, str]]:
    """What a report says of its payloads (3.1.0, reportPayloadDescriptor)."""
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

    Made of instants and not of the store's numbers, which start again with a new database.
    """
    parts = [
        ven_name,
        request.event_id,
        request.descriptor,
        write_instant(values[0].start),
        write_instant(values[-1].start + values[-1].duration),
        f"{columns.start}-{columns.stop}",
    ]
    return _name(ven_name, request, "\0".join(parts).encode())


def _name_of_readings(
    ven_name: str, request: ReportRequest, readings: Readings, corrected_since: datetime | None
) -> str:
    """The same for readings of the same resources and times; a correction says of which time."""
    resources = sorted(set(readings.resource.tolist()))
    names = "\0".join(readings.names[place] for place in resources)
    asked = "\0".join((ven_name, request.event_id, request.descriptor, names))
    times = [np.searchsorted(resources, readings.resource), readings.start_us, readings.end_us]
    about = asked.encode() + b"".join(each.tobytes() for each in times)
    if corrected_since is None or not len(readings):
        return _name(ven_name, request, about)
    begin = from_us(int(readings.start_us.min()))
    name = _name(ven_name, request, b"%b%d" % (about, to_us(corrected_since)))
    head, _, digest = name.rpartition("-")
    return f"{head[:60]}-corrects-{begin:%Y%m%dT%H%M%SZ}-{digest}"


def _name(ven_name: str, request: ReportRequest, about: bytes) -> str:
    digest = hashlib.blake2b(about, digest_size=16).hexdigest()
    return f"{_readable(ven_name, request.payload_type)}-{digest}"


@functools.lru_cache(maxsize=4096)
def _readable(ven_name: str, payload_type: str) -> str:
    """What people see of a report's name."""
    return f"{slug(ven_name)[:60]}-{payload_type[:30]}".encode("ascii", "replace").decode()
