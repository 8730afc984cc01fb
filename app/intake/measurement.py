"""What meters measure: values with times of their own, as columns of one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from app.platform import to_us

Int64 = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
FIRST_YEAR, LAST_YEAR = 1971, 2199
"""Between which something may be measured."""
FIRST_US = to_us(datetime(FIRST_YEAR, 1, 1, tzinfo=UTC))
END_US = to_us(datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC))
"""Before which everything is measured."""
MAX_REFUSALS = 1_000
"""Named one by one; of more, only their number is said."""


def in_us(duration: timedelta) -> int:
    """In microseconds."""
    return duration // timedelta(microseconds=1)


class Quantity(StrEnum):
    """What a value is."""

    POWER = "POWER"
    """kW: at an instant, or the mean over an interval."""
    ENERGY = "ENERGY"
    """kWh in an interval."""
    REGISTER = "REGISTER"
    """kWh counted so far, by a meter that only counts up."""
    STORED = "STORED"
    """kWh in a store."""
    CHARGE_LEVEL = "CHARGE_LEVEL"
    """0 to 100 % of what a store holds."""


class Direction(StrEnum):
    """Which way energy goes."""

    IMPORT = "IMPORT"
    """Consumed; a negative value is refused."""
    EXPORT = "EXPORT"
    """Fed in; a negative value is refused."""
    NET = "NET"
    """Both: positive consumes, negative feeds in."""


class Quality(IntEnum):
    """How far a value can be relied on; the worse, the higher."""

    OK = 0
    ESTIMATED = 1
    BAD = 2
    """Kept, and not to be relied on."""


class MeterName(NamedTuple):
    """How a meter is named: by one of these, or by VEN and resource."""

    device: str = ""
    """As its source calls it."""
    meter_point_id: str = ""
    ven_name: str = ""
    resource_name: str = ""

    def __str__(self) -> str:
        if self.ven_name or self.resource_name:
            return f"{self.ven_name}/{self.resource_name}"
        return self.device or self.meter_point_id


class SeriesKey(NamedTuple):
    """What tells the series of one source apart."""

    meter: MeterName
    quantity: Quantity
    direction: Direction
    channel: str = ""
    """A tariff or a phase; blank: the total."""

    @property
    def may_be_negative(self) -> bool:
        """Whether energy of it goes both ways."""
        both_ways = self.quantity in (Quantity.POWER, Quantity.ENERGY)
        return both_ways and self.direction is Direction.NET


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """Values in the order in which they came, an array element each."""

    keys: Sequence[SeriesKey]
    """Each once."""
    key: Int64
    """Which of `keys` a value is of."""
    start_us: Int64
    """In microseconds since 1970, UTC."""
    end_us: Int64
    """The same as `start_us` for an instant."""
    value: Float64
    """kW, kWh or %, by the quantity."""
    quality: npt.NDArray[np.int8]
    """Of `Quality`."""
    codes: Sequence[str] = ("",)
    """What the source says of the quality; blank: nothing."""
    code: Int64
    """Which of `codes` goes with a value."""
    lines: Int64
    """Where each stands in its file or body, counted from 1."""

    def __len__(self) -> int:
        return len(self.value)

    def only(self, kept: Bools) -> Measurements:
        """These elements."""
        return Measurements(
            keys=self.keys,
            key=self.key[kept],
            start_us=self.start_us[kept],
            end_us=self.end_us[kept],
            value=self.value[kept],
            quality=self.quality[kept],
            codes=self.codes,
            code=self.code[kept],
            lines=self.lines[kept],
        )


def together(blocks: Sequence[Measurements]) -> Measurements:
    """The values of all of these, one block behind the other; at least one."""
    if len(blocks) == 1:
        return blocks[0]
    keys: dict[SeriesKey, int] = {}
    codes: dict[str, int] = {}
    for block in blocks:
        for key in block.keys:
            keys.setdefault(key, len(keys))
        for code in block.codes:
            codes.setdefault(code, len(codes))
    return Measurements(
        keys=list(keys),
        key=np.concatenate(
            [np.array([keys[key] for key in block.keys])[block.key] for block in blocks]
        ),
        codes=list(codes),
        code=np.concatenate(
            [np.array([codes[code] for code in block.codes])[block.code] for block in blocks]
        ),
        start_us=np.concatenate([block.start_us for block in blocks]),
        end_us=np.concatenate([block.end_us for block in blocks]),
        value=np.concatenate([block.value for block in blocks]),
        quality=np.concatenate([block.quality for block in blocks]),
        lines=np.concatenate([block.lines for block in blocks]),
    )


class Refusal(NamedTuple):
    """A value that is not taken."""

    line: int
    """Where it stands, counted from 1."""
    column: str
    """The field; blank: the whole line."""
    reason: str
    file: str = ""

    def __str__(self) -> str:
        parts = (self.file, f"line {self.line}" if self.line else "", self.column)
        return f"{', '.join(part for part in parts if part)}: {self.reason}"


@dataclass(kw_only=True)
class Refusals:
    """What is not taken: the first ones each, and how many in all."""

    first: list[Refusal] = field(default_factory=list)
    count: int = 0

    def add(self, line: int, column: str, reason: str, *, count: int = 1) -> None:
        """One more, or more for the same reason, which are named once."""
        self.count += count
        if len(self.first) < MAX_REFUSALS:
            self.first.append(Refusal(line, column, reason))

    def add_each(self, lines: Int64, reason: str) -> None:
        """The values of these lines, for one reason."""
        room = max(MAX_REFUSALS - len(self.first), 0)
        self.first += [Refusal(line, "", reason) for line in lines[:room].tolist()]
        self.count += len(lines)

    def extend(self, others: Refusals, *, file: str = "") -> None:
        """With what somebody else refused, in this file."""
        room = max(MAX_REFUSALS - len(self.first), 0)
        self.first += [each._replace(file=file or each.file) for each in others.first[:room]]
        self.count += others.count


@dataclass(kw_only=True)
class Receipt:
    """What became of measurements, when what was taken is durable."""

    taken: int = 0
    repeated: int = 0
    """The same value of the same time was there."""
    corrected: int = 0
    """Another value of the same time was there; this one replaces it."""
    late: int = 0
    """Older than the source may be, and not taken."""
    not_told: int = 0
    """Of those that were taken: too late to be told one by one; interval reports have them."""
    refusals: Refusals = field(default_factory=Refusals)

    def add(self, other: Receipt, *, file: str = "") -> None:
        """With what came of others, of this file."""
        self.taken += other.taken
        self.repeated += other.repeated
        self.corrected += other.corrected
        self.late += other.late
        self.not_told += other.not_told
        self.refusals.extend(other.refusals, file=file)
