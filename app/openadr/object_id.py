"""The ids of objects at a VTN."""

from __future__ import annotations

import re
from typing import TypeGuard

_OBJECT_ID = re.compile(r"[a-zA-Z0-9_-]{1,128}", re.ASCII)


def is_object_id(value: object) -> TypeGuard[str]:
    """Whether it is an objectID (components/schemas of both files)."""
    return isinstance(value, str) and _OBJECT_ID.fullmatch(value) is not None
