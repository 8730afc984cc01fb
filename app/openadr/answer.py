"""An answer of a VTN, read to its end within bounds, and what it says."""

from __future__ import annotations

import codecs
import email.utils
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

PROBLEM = frozenset({"type", "title", "status", "detail"})
"""Members of problem details (RFC 9457; 3.1.0 `problem`)."""
MAX_BYTES = 64 << 20
"""Of one answer, unpacked."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer of a VTN, read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    authorization: str | None = None
    """What the request was signed with."""

    def json(self) -> Any:
        """What it says; a byte order mark before it is skipped. orjson.JSONDecodeError."""
        return orjson.loads(self.content.removeprefix(codecs.BOM_UTF8))

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
    except orjson.JSONDecodeError:
        return False
    return isinstance(problem, dict) and not PROBLEM.isdisjoint(problem)


def problem_text(answer: Answer) -> str:
    """The VTN's problem text, bounded, without the token if it says that back; '' for none."""
    try:
        problem = answer.json()
    except orjson.JSONDecodeError:
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
