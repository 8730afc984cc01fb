"""JSON as devices write it, with what only some write, such as NaN and very large numbers."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

MAX_DIGITS = 400
"""Of a number: what has more is above all."""


def loads(content: bytes) -> Any:
    """One value that is none does not refuse the others. ValueError, RecursionError: it is none."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return json.loads(content, parse_int=_integer)


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < MAX_DIGITS else math.inf
