"""Measurements that one process hands on to the owner of their shard, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from app.intake.measurement import (
    Direction,
    Measurements,
    MeterName,
    Quantity,
    Receipt,
    Refusal,
    Refusals,
    SeriesKey,
)

VERSION = 1
_COLUMNS = (
    ("key", "<i8"),
    ("start_us", "<i8"),
    ("end_us", "<i8"),
    ("value", "<f8"),
    ("quality", "<i1"),
    ("code", "<i8"),
    ("lines", "<i8"),
)
_COUNTS = ("taken", "repeated", "corrected", "late", "not_told")


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """What the owner of a shard made of measurements, of which it may have some or none."""

    receipt: Receipt
    unknown: Sequence[int] = ()
    """Of the keys of the batch those that no resource of the shard has; their values were left."""

    def to_bytes(self) -> bytes:
        """As `read` reads it."""
        receipt = self.receipt
        return orjson.dumps(
            {
                **{name: getattr(receipt, name) for name in _COUNTS},
                "refused": [tuple(each) for each in receipt.refusals.first],
                "refused_count": receipt.refusals.count,
                "unknown": list(self.unknown),
            }
        )

    @classmethod
    def read(cls, content: bytes) -> Part:
        """ValueError: it is none."""
        try:
            said = orjson.loads(content)
            refusals = Refusals(
                first=[Refusal(*each) for each in said["refused"]], count=said["refused_count"]
            )
            counts = {name: said[name] for name in _COUNTS}
            return cls(receipt=Receipt(refusals=refusals, **counts), unknown=said["unknown"])
        except (KeyError, TypeError, orjson.JSONDecodeError):
            raise ValueError("what came back is no receipt") from None


@dataclass(frozen=True, kw_only=True, eq=False)
class HandedOn:
    """Measurements of a source: a line of JSON, and behind it a column after the other."""

    source: str
    batch: Measurements
    leaves_unknown: bool
    """As of `Intake.take_part`."""

    def to_bytes(self) -> bytes:
        """As `read` reads it."""
        batch = self.batch
        head = orjson.dumps(
            {
                "version": VERSION,
                "source": self.source,
                "leaves_unknown": self.leaves_unknown,
                "count": len(batch),
                "keys": [(*each.meter, *each[1:]) for each in batch.keys],
                "codes": list(batch.codes),
            }
        )
        columns = (getattr(batch, name).astype(kind).tobytes() for name, kind in _COLUMNS)
        return b"\n".join((head, b"".join(columns)))

    @classmethod
    def read(cls, content: bytes) -> HandedOn:
        """ValueError, in a few words: it is of another version, or none."""
        head, _, columns = content.partition(b"\n")
        try:
            said = orjson.loads(head)
            if said["version"] != VERSION:
                raise ValueError("the other process is of another version of this program")
            batch = Measurements(
                keys=[
                    SeriesKey(MeterName(*each[:4]), Quantity(each[4]), Direction(each[5]), each[6])
                    for each in said["keys"]
                ],
                codes=said["codes"],
                **_columns(columns, said["count"]),
            )
            return cls(source=said["source"], batch=batch, leaves_unknown=said["leaves_unknown"])
        except (KeyError, TypeError, IndexError, orjson.JSONDecodeError):
            raise ValueError("the body holds no measurements") from None


def _columns(content: bytes, count: int) -> dict[str, Any]:
    """Each by its name. ValueError."""
    found, begin = {}, 0
    for name, kind in _COLUMNS:
        column = np.frombuffer(content, kind, count, begin)
        found[name] = column.astype(np.dtype(kind).newbyteorder("="))
        begin += column.nbytes
    if begin != len(content):
        raise ValueError("the body has more than its columns")
    return found
