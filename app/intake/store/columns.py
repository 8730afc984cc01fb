"""Measurements as rows of one array: in memory, and packed as the database keeps them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from app.intake.measurement import DAY_US, Bools, Int64

Rows = npt.NDArray[Any]
"""Of dtype `ROW`."""

ROW = np.dtype(
    [
        ("series", "<i4"),
        ("start", "<i8"),
        ("end", "<i8"),
        ("value", "<f8"),
        ("quality", "i1"),
        ("code", "<i2"),
        ("flags", "u1"),
        ("seq", "<i8"),
    ]
)
"""`start` and `end` in microseconds since 1970, the same for an instant; `value` in kW, kWh or %;
`code` what the source said of the quality, by number; `flags` as below; `seq` the number of the
batch with which the measurement first came, whatever corrected it since."""
NOT_NUMBERED = 0
"""`seq` of what an import stages: it gets a number when it is published."""
CORRECTS = 1
"""Another value was there before."""
NOT_TOLD = 2
"""It came too late to be told when it came; interval reports have it all the same."""
TELL = 4
"""It is told, however long ago it ended."""
BEHIND = 8
"""It came behind something later of its series."""
NO_ROWS: Rows = np.zeros(0, dtype=ROW)
HEAD = struct.Struct("<BI")
"""The version of the form, and how many rows follow."""
VERSION = 2
OLDEST_SEQ = 1
"""Of what is stored in the first form, which did not know it."""


class Spans(NamedTuple):
    """A time of each of some series."""

    series: Int64
    """Rising, each once."""
    first_us: Int64
    last_us: Int64


def in_order(rows: Rows) -> Rows:
    """By series, start and end; those that came first stay before others of the same."""
    order = np.lexsort((rows["end"], rows["start"], rows["series"]))
    return rows[order]


def is_same_as_before(rows: Rows) -> Bools:
    """Of rows in order: whether each is of the same series and time as the one before it."""
    same = np.zeros(len(rows), dtype=np.bool_)
    if len(rows) > 1:
        later, earlier = rows[1:], rows[:-1]
        same[1:] = (
            (later["series"] == earlier["series"])
            & (later["start"] == earlier["start"])
            & (later["end"] == earlier["end"])
        )
    return same


def last_of_each(parts: Sequence[Rows]) -> Rows:
    """In order; of several of the same series and time, the one that came last."""
    rows = in_order(np.concatenate(parts)) if parts else NO_ROWS
    is_last = np.ones(len(rows), dtype=np.bool_)
    is_last[:-1] = ~is_same_as_before(rows)[1:]
    return rows[is_last]


def days_of(rows: Rows) -> Int64:
    """The day of each, by its start: days since 1970, UTC."""
    return np.asarray(rows["start"] // DAY_US, dtype=np.int64)


def pack(rows: Rows) -> bytes:
    """Column by column, times as differences: what repeats takes next to nothing."""
    length = rows["end"] - rows["start"]
    columns = (
        _by_byte(_differences(rows["series"].astype("<i4"))),
        _by_byte(_differences(rows["start"])),
        _by_byte(_differences(length)),
        _by_byte(np.ascontiguousarray(rows["value"])),
        rows["quality"].tobytes(),
        _by_byte(np.ascontiguousarray(rows["code"])),
        rows["flags"].tobytes(),
        _by_byte(_differences(rows["seq"])),
    )
    return HEAD.pack(VERSION, len(rows)) + zlib.compress(b"".join(columns), 1)


def unpack(body: bytes) -> Rows:
    """What `pack` made."""
    version, count = HEAD.unpack_from(body)
    if version > VERSION:
        raise ValueError(f"measurements of form {version}: a newer version wrote them")
    packed = zlib.decompress(body[HEAD.size :])
    rows = np.empty(count, dtype=ROW)
    at = 0
    columns: dict[str, Any] = {}
    for name in [name for name in ROW.names or () if version > 1 or name != "seq"]:
        kind = ROW[name]
        size = count * kind.itemsize
        transposed = np.frombuffer(packed, dtype=np.uint8, count=size, offset=at)
        columns[name] = np.ascontiguousarray(transposed.reshape(kind.itemsize, count).T).view(kind)
        at += size
    for name in ("value", "quality", "code", "flags"):
        rows[name] = columns[name].reshape(-1)
    rows["series"] = np.cumsum(columns["series"].reshape(-1))
    rows["start"] = np.cumsum(columns["start"].reshape(-1))
    rows["end"] = rows["start"] + np.cumsum(columns["end"].reshape(-1))
    rows["seq"] = np.cumsum(columns["seq"].reshape(-1)) if "seq" in columns else OLDEST_SEQ
    return rows


def numbered(parts: Sequence[Rows], seq: int) -> list[Rows]:
    """The rows of an import that was published with this number."""
    for rows in parts:
        rows["seq"][rows["seq"] == NOT_NUMBERED] = seq
    return list(parts)


def _differences(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    different = np.empty_like(column)
    different[:1] = column[:1]
    np.subtract(column[1:], column[:-1], out=different[1:])
    return different


def _by_byte(column: npt.NDArray[Any]) -> bytes:
    """The first byte of all, then the second: those of numbers that are alike compress well."""
    size = column.dtype.itemsize
    return np.ascontiguousarray(column).view(np.uint8).reshape(-1, size).T.tobytes()
