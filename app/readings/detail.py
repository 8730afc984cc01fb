"""What a frame holds beside the powers, stored compactly: nothing where there is nothing to say."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_TYPES = {
    "baseline_kw": "<f4",
    "stored_kwh": "<f4",
    "setpoint_kw": "<f4",
    "level": "i1",
    "metered": "i1",
    "order": "i1",
}
_HEAD = struct.Struct("<BI")
FASTEST_COMPRESSION = 1


class OrderState(IntEnum):
    """What a device does of what is asked. The numbers are stored: none is ever another one."""

    NOTHING = 0
    """Nothing is asked, or it refuses; of what is simulated: the power tells it."""
    OPTED_OUT = 1
    UNANSWERED = 2
    """It does not acknowledge its order."""
    CURTAILED = 3
    """It has acknowledged an order for less than it would do."""
    HEIGHTENED = 4
    """The same, for more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameDetail:
    """One array element per column of the frame; None where every element is the usual one."""

    baseline_kw: npt.NDArray[np.float32] | None = None
    """What would have been without any event; None: the power itself."""
    stored_kwh: npt.NDArray[np.float32] | None = None
    """The energy in each store; NaN, or None: there is none."""
    setpoint_kw: npt.NDArray[np.float32] | None = None
    """The active set point; NaN, or None: there is none."""
    level: npt.NDArray[np.int8] | None = None
    """The active SIMPLE level; None: 0."""
    metered: npt.NDArray[np.int8] | None = None
    """1 where the power is the latest of a real meter and not simulated; None: nowhere."""
    order: npt.NDArray[np.int8] | None = None
    """An OrderState; None: nothing is asked of any device."""

    def part(self, columns: slice) -> FrameDetail:
        """Of these columns only."""
        return FrameDetail(
            **{name: None if array is None else array[columns] for name, array in self._arrays()}
        )

    def pack(self) -> bytes | None:
        """As one compact value; None when there is nothing to say."""
        parts = []
        for number, (name, array) in enumerate(self._arrays()):
            if array is not None:
                body = zlib.compress(array.astype(_TYPES[name]).tobytes(), FASTEST_COMPRESSION)
                parts += [_HEAD.pack(number, len(body)), body]
        return b"".join(parts) or None

    def _arrays(self) -> list[tuple[str, Array | None]]:
        return [(field.name, getattr(self, field.name)) for field in fields(self)]


def unpack(packed: bytes | None) -> FrameDetail:
    """What `pack` made."""
    if not packed:
        return FrameDetail()
    names = [field.name for field in fields(FrameDetail)]
    arrays: dict[str, Array] = {}
    place = 0
    while place < len(packed):
        number, length = _HEAD.unpack_from(packed, place)
        place += _HEAD.size
        name = names[number]
        body = zlib.decompress(packed[place : place + length])
        arrays[name] = np.frombuffer(body, dtype=_TYPES[name])
        place += length
    return FrameDetail(**arrays)
