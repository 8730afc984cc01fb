"""What of measurements may be taken at all: whose they are, when they are of, what they say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

import numpy as np

from app.intake.errors import ClockInDoubt, UnknownMeter
from app.intake.measurement import (
    DAY_US,
    END_US,
    FIRST_US,
    Bools,
    Direction,
    Int64,
    Measurements,
    MeterName,
    Quantity,
    Receipt,
    SeriesKey,
)
from app.intake.meters import Meters
from app.intake.store import NOT_TOLD, ROW, TELL, Arrival, Judged, SeriesName
from app.platform import THE_FLEET, Shard, to_us

AHEAD = timedelta(minutes=5)
"""How far before its time a measurement may come: clocks differ."""
MAX_LENGTH_US = 366 * DAY_US
"""Of an interval."""
MAX_KW, MAX_KWH = 1e9, 1e12
"""More than any device has, and than any register counts."""


class WhenLate(Enum):
    """What becomes of a value that comes later than its source may be."""

    COUNT = "it is counted, and not taken"
    KEEP = "it is taken, and not told"
    TELL = "it is taken and told, and refused where it is older than what is kept"


@dataclass(frozen=True, kw_only=True, eq=False)
class Admitted:
    """What may be taken, and what became of the rest."""

    arrival: Arrival
    lines: Int64
    """Where each row of it stands in its file or body."""
    receipt: Receipt
    unknown: Counter[str]
    """Meters that nobody has, with how many of their values."""
    left: Sequence[int]
    """Keys of the batch whose values are neither taken nor refused, with `leaves_unknown`."""

    def settled(self, judged: Judged) -> Receipt:
        """The receipt, when the rest is durable."""
        receipt = self.receipt
        receipt.refusals.add_each(
            self.lines[judged.overlapping], "part of its interval is measured already"
        )
        receipt.taken, receipt.repeated = judged.taken, judged.repeated
        receipt.corrected = judged.corrected
        receipt.not_told = int((judged.rows["flags"] & NOT_TOLD != 0).sum())
        return receipt


class Admission:
    """Decides by the fleet and the clock. Safe for several threads.

    `clock_in_doubt`: whether the clock was found to be wrong, or may be. `shard`: what `meters`
    have elsewhere is left to the others, without a word.
    """

    def __init__(
        self,
        *,
        meters: Meters,
        clock: Callable[[], datetime],
        clock_in_doubt: Callable[[], bool],
        keep: timedelta,
        shard: Shard = THE_FLEET,
    ) -> None:
        self._meters = meters
        self._shard = shard
        self._keep = keep
        self._clock = clock
        self._clock_in_doubt = clock_in_doubt

    def unknown(self, meters: Sequence[MeterName], source: str) -> list[int]:
        """The places of those that no resource has."""
        known = self._meters.known()
        found = []
        for place, meter in enumerate(meters):
            try:
                known.find(meter, source)
            except UnknownMeter as error:
                if not error.is_anothers:  # who has it several times says so
                    found.append(place)
        return found

    def admit(
        self,
        batch: Measurements,
        *,
        source: str | None,
        late: timedelta,
        when_late: WhenLate,
        leaves_unknown: bool = False,
    ) -> Admitted:
        """`source`: None for one of all; `late`: of `Source`; `leaves_unknown`: whether somebody
        else says what meters nobody has. ClockInDoubt: a value is of the future, or it is not."""
        receipt = Receipt()
        unknown: Counter[str] = Counter()
        left: list[int] | None = [] if leaves_unknown else None
        names, refused = self._names(batch, source, receipt, unknown, left)
        now = self._clock()
        wrong = self._wrong(batch, now)
        if when_late is WhenLate.TELL:
            is_over = batch.end_us < to_us(now - self._keep)
            wrong.append(("it ended longer ago than INTAKE__KEEP: it cannot be told", is_over))
        for why, found in wrong:
            new = found & ~refused
            if new.any():
                receipt.refusals.add_each(batch.lines[new], why)
                refused |= new
        is_late = ~refused & (batch.end_us < to_us(now - late))
        if when_late is WhenLate.COUNT:
            if is_late.any() and self._clock_in_doubt():
                raise ClockInDoubt
            receipt.late = int(is_late.sum())
            refused |= is_late
        kept = ~refused
        rows = np.zeros(int(kept.sum()), dtype=ROW)
        rows["series"] = batch.key[kept]
        for name, column in (
            ("start", batch.start_us),
            ("end", batch.end_us),
            ("value", batch.value),
            ("quality", batch.quality),
            ("code", batch.code),
        ):
            rows[name] = column[kept]
        rows["flags"] = np.where(is_late[kept], NOT_TOLD, 0)
        if when_late is WhenLate.TELL:
            rows["flags"] = TELL
        used = np.unique(rows["series"])
        rows["series"] = np.searchsorted(used, rows["series"])
        return Admitted(
            arrival=Arrival(
                names=[names[place] for place in used.tolist()], codes=batch.codes, rows=rows
            ),
            lines=batch.lines[kept],
            receipt=receipt,
            unknown=unknown,
            left=left or (),
        )

    def _names(
        self,
        batch: Measurements,
        source: str | None,
        receipt: Receipt,
        unknown: Counter[str],
        left: list[int] | None,
    ) -> tuple[dict[int, SeriesName], Bools]:
        """The series of each key; and which values are not taken, whatever they say."""
        names: dict[int, SeriesName] = {}
        refused = np.zeros(len(batch), dtype=np.bool_)
        known = self._meters.known()
        order = np.argsort(batch.key, kind="stable")
        places, begins = np.unique(batch.key[order], return_index=True)
        for place, own in zip(places.tolist(), np.split(order, begins[1:]), strict=True):
            key = batch.keys[place]
            why = _unfit(key)
            if why is None:
                try:
                    metered = known.find(key.meter, source)
                    if not self._shard.has(metered.ven_name):
                        refused[own] = True
                        continue
                    names[place] = SeriesName(
                        metered.ven_name,
                        metered.resource_name,
                        key.quantity.value,
                        key.direction.value,
                        key.channel,
                    )
                    continue
                except UnknownMeter as error:
                    why = str(error)
                    named = key.meter.device or key.meter.meter_point_id
                    if named and not error.is_anothers and left is None:
                        unknown[named] += len(own)
            refused[own] = True
            if left is not None:
                left.append(place)
                continue
            receipt.refusals.add_each(batch.lines[own], why)
        return names, refused

    def _wrong(self, batch: Measurements, now: datetime) -> list[tuple[str, Bools]]:
        quantities = np.array([_LIMITS[key.quantity] for key in batch.keys] or [0.0])
        signed = np.array([key.may_be_negative for key in batch.keys] or [True])
        level = np.array([key.quantity is Quantity.CHARGE_LEVEL for key in batch.keys] or [False])
        energy = np.array([key.quantity is Quantity.ENERGY for key in batch.keys] or [False])
        register = np.array([key.quantity is Quantity.REGISTER for key in batch.keys] or [False])
        future = batch.end_us > to_us(now + AHEAD)
        if future.any() and self._clock_in_doubt():
            raise ClockInDoubt
        value, length_us = batch.value, batch.end_us - batch.start_us
        return [
            ("it is no time of a measurement", _outside(batch.start_us) | _outside(batch.end_us)),
            ("it ends before it starts", length_us < 0),
            ("energy is of an interval: there is no end", energy[batch.key] & (length_us == 0)),
            (
                "a register is read at an instant, and has no end",
                register[batch.key] & (length_us > 0),
            ),
            ("its interval is longer than a year", length_us > MAX_LENGTH_US),
            ("it is more than five minutes in the future", future),
            ("it is no number that can be", ~np.isfinite(value)),
            ("it is no share from 0 to 100 %", level[batch.key] & ((value < 0) | (value > 100))),
            ("it is negative", (value < 0) & ~signed[batch.key]),
            ("it is more than any meter measures", np.abs(value) > quantities[batch.key]),
        ]


_LIMITS = {
    Quantity.POWER: MAX_KW,
    Quantity.ENERGY: MAX_KWH,
    Quantity.REGISTER: MAX_KWH,
    Quantity.STORED: MAX_KWH,
    Quantity.CHARGE_LEVEL: MAX_KW,
}


def _unfit(key: SeriesKey) -> str | None:
    """Why no value of this key can be taken."""
    if key.quantity is Quantity.REGISTER and key.direction is Direction.NET:
        return "the direction of a REGISTER is IMPORT or EXPORT"
    return None


def _outside(us: Int64) -> Bools:
    return np.asarray((us < FIRST_US) | (us >= END_US))
