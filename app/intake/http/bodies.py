"""Bodies of requests: unpacked, bounded, and read as measurements."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from app.intake.errors import MeterFileError, RequestRefused
from app.intake.files import FieldReader, SeriesFields, field_rows
from app.intake.lenient_json import loads
from app.intake.measurement import Measurements, Refusals

JSON, NDJSON, CSV = "application/json", "application/x-ndjson", "text/csv"
FORMS = (JSON, NDJSON, CSV)
MAX_BODY_BYTES = 16 << 20
"""As it is sent."""
MAX_UNPACKED_BYTES = 32 << 20
MAX_READINGS = 200_000
"""Of one body: what is more is sent in several."""


def unpacked(body: bytes, encoding: str) -> bytes:
    """What was packed as `Content-Encoding` says. RequestRefused: 413, 415, or 400."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise RequestRefused(
            415, f"Content-Encoding {encoding[:20]!r} is none of gzip and identity"
        )
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as unpacker:
            content = unpacker.read(MAX_UNPACKED_BYTES + 1)
    except EOFError:
        raise RequestRefused(400, "the body is gzip that is cut off") from None
    except (gzip.BadGzipFile, zlib.error):
        raise RequestRefused(400, "the body is no gzip") from None
    if len(content) > MAX_UNPACKED_BYTES:
        raise RequestRefused(413, f"the body is more than {MAX_UNPACKED_BYTES >> 20} MiB unpacked")
    return content


def measurements(
    content: bytes,
    form: str,
    refusals: Refusals,
    *,
    zone: ZoneInfo | None,
    series: SeriesFields,
) -> Measurements | None:
    """Of a body in one of FORMS; None: there is none. RequestRefused: nothing of it can be read."""
    reader = FieldReader(refusals, zone=zone, block_rows=MAX_READINGS + 1, series=series)
    blocks = list(reader.read(_ROWS[form](content, refusals)))
    return blocks[0] if len(blocks[0]) else None


def _bounded(entries: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
    for number, entry in enumerate(entries):
        if number >= MAX_READINGS:
            raise RequestRefused(413, f"more than {MAX_READINGS} readings in one body")
        yield entry


def _json_rows(content: bytes, refusals: Refusals) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        document = loads(content)
    except (ValueError, RecursionError) as error:
        raise RequestRefused(400, f"the body is no JSON: {str(error)[:100]}") from None
    if not isinstance(document, dict) or not isinstance(document.get("readings"), list):
        raise RequestRefused(422, 'the body is no object with a list "readings"')
    yield from _objects(_bounded(enumerate(document["readings"], start=1)), refusals)


def _ndjson_rows(content: bytes, refusals: Refusals) -> Iterator[tuple[int, Mapping[str, Any]]]:
    yield from _objects(_lines(content, refusals), refusals)


def _lines(content: bytes, refusals: Refusals) -> Iterator[tuple[int, Any]]:
    for number, line in _bounded(enumerate(io.BytesIO(content), start=1)):
        if line.strip():
            try:
                entry = loads(line)
            except (ValueError, RecursionError):
                refusals.add(number, "", "it is no JSON")
            else:
                yield number, entry


def _objects(
    entries: Iterable[tuple[int, Any]], refusals: Refusals
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    for number, entry in entries:
        if isinstance(entry, dict):
            yield number, entry
        else:
            refusals.add(number, "", "it is no object")


def _csv_rows(content: bytes, refusals: Refusals) -> Iterator[tuple[int, Mapping[str, Any]]]:
    try:
        lines = io.StringIO(content.decode("utf-8-sig"), newline="")
        yield from _bounded(field_rows(lines, refusals, header_lines=1))
    except UnicodeDecodeError:
        raise RequestRefused(400, "the body is no UTF-8 text") from None
    except MeterFileError as error:
        raise RequestRefused(422, str(error)) from None


_ROWS = {JSON: _json_rows, NDJSON: _ndjson_rows, CSV: _csv_rows}
