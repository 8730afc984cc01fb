"""An answer of a VTN, read to its end within bounds, and what it says."""

from __future__ import annotations

import codecs
import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson

from app.openadr.errors import NotJson

PROBLEM = frozenset({"type", "title", "status", "detail"})
"""Members of problem details (RFC 9457; 3.1.0 `problem`)."""
MAX_BYTES = 64 << 20
"""Of one answer, unpacked."""


_WIRE_NAMES = {
    "ven_id": "venID",
    "ven_name": "venName",
    "resource_name": "resourceName",
    "report_name": "reportName",
    "created_at": "createdDateTime",
}


class _Brief(msgspec.Struct, rename=_WIRE_NAMES, omit_defaults=True):
    """What is read of a ven, a resource or a report; the rest is not built."""

    id: object = None
    ven_id: object = None
    ven_name: object = None
    resource_name: object = None
    report_name: object = None
    created_at: object = None
    targets: object = None


_BRIEF, _BRIEFS = msgspec.json.Decoder(_Brief), msgspec.json.Decoder(list[_Brief])


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of a VTN, read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    authorization: str | None = None
    """What the request was signed with."""

    def json(self) -> Any:
        """What it says; a byte order mark before it is skipped. NotJson."""
        try:
            return orjson.loads(self.content.removeprefix(codecs.BOM_UTF8))
        except orjson.JSONDecodeError as error:
            raise NotJson(str(error)) from None

    def object_id(self) -> object:
        """The id of the object that it is, without building the rest; None where it has none, or is
        no object. NotJson."""
        try:
            brief: _Brief = self._decoded(_BRIEF)
        except msgspec.ValidationError:  # at the first byte of something else
            self.json()
            return None
        return brief.id

    def briefs(self) -> Any:
        """A list of vens, resources or reports, of each what is read of it. NotJson."""
        try:
            briefs: list[_Brief] = self._decoded(_BRIEFS)
        except msgspec.ValidationError:
            return self.json()  # something else is in it
        return msgspec.to_builtins(briefs)

    def _decoded(self, decoder: msgspec.json.Decoder[Any]) -> Any:
        try:
            return decoder.decode(self.content.removeprefix(codecs.BOM_UTF8))
        except msgspec.ValidationError:
            raise
        except (msgspec.DecodeError, RecursionError) as error:
            raise NotJson(str(error)) from None

    @property
    def content_type(self) -> str:
        return str(self.headers.get("Content-Type", "no content type")).lower()


def retry_after_s(answer: Answer) -> float | None:
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return max((aware - datetime.now(UTC)).total_seconds(), 0.0)


def is_problem(answer: Answer) -> bool:
    """Whether it has problem details."""
    try:
        problem = answer.json()
    except NotJson:
        return False
    return isinstance(problem, dict) and not PROBLEM.isdisjoint(problem)


def problem_text(answer: Answer) -> str:
    """The VTN's problem text, bounded, without the token if it says that back; '' for none."""
    try:
        problem = answer.json()
    except NotJson:
        return ""
    if not isinstance(problem, dict):
        return ""
    texts = [str(problem[name]) for name in ("title", "detail", "error") if problem.get(name)]
    text = ", " + ": ".join(texts) if texts else ""
    # It is shown and stored, and not every database takes a zero byte.
    text = "".join(char if char.isprintable() else " " for char in text)
    token = (answer.authorization or "").removeprefix("Bearer ")
    # Hidden before it is cut: half a token is one, too.
    return (text.replace(token, "**********") if token else text)[:500]
