"""Imports files of meter readings: all of them, or nothing, whatever interrupts it."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from app.intake.admission import Admission, Admitted, WhenLate
from app.intake.errors import MeterFileError
from app.intake.files import MeterFile, Profile
from app.intake.measurement import (
    HOUR_US,
    Int64,
    Measurements,
    Quantity,
    Receipt,
    Refusal,
    Refusals,
    together,
)
from app.intake.store import Arrival, Begun, Imports, Judged, SeriesName, last_of_each
from app.intake.unknown import EVERY_SOURCE, UnknownDevices
from app.platform import Progress, no_progress

BLOCK_ROWS = 50_000
"""Values that one transaction stores, about."""
COUNTED = ("taken", "repeated", "corrected", "not_told")
MAX_KEPT = 100
"""Refusals that an interrupted import remembers one by one."""


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What is to be imported."""

    files: Sequence[Path]
    profile: Profile
    source: str | None = None
    """None: each device is looked up in all sources."""
    device: str = ""
    """Of files that name none."""
    zone: ZoneInfo | None = None
    """Of times without an offset, instead of the profile's."""
    late: timedelta = timedelta(days=2)
    """What came later after its end is not told one by one."""
    tell: bool = False
    """Whether all of it is told one by one, however late it comes."""
    dry_run: bool = False
    keep_good: bool = False
    """Whether good values are taken although others are refused."""
    leaves_unknown: bool = False
    """Whether another shard says what is wrong with the files, and with meters that nobody has."""
    is_beside_a_run: bool = False
    """Whether half of the time is left to a run that meters and reports meanwhile."""

    @property
    def when_late(self) -> WhenLate:
        """What becomes of what comes late."""
        return WhenLate.TELL if self.tell else WhenLate.KEEP


@dataclass(kw_only=True)
class SeriesTotal:
    """What was read of one series."""

    values: int = 0
    first_us: int = 1 << 62
    last_us: int = 0
    kwh: float | None = None
    """The energy of ENERGY, of a register, and of POWER over intervals; None: it has none."""
    lowest: float = float("inf")
    highest: float = float("-inf")


@dataclass(kw_only=True)
class ImportResult:
    """What came of an import."""

    receipt: Receipt = field(default_factory=Receipt)
    skipped: Counter[str] = field(default_factory=Counter)
    """Values that no report can use, by what they are."""
    totals: dict[SeriesName, SeriesTotal] = field(default_factory=dict)
    is_taken: bool = False
    """Whether what could be taken was; not of a dry run, nor where something was refused."""

    def add(self, other: ImportResult) -> None:
        """With what came of the same files in another shard."""
        self.receipt.add(other.receipt)
        self.skipped.update(other.skipped)
        self.totals.update(other.totals)
        self.is_taken = self.is_taken and other.is_taken


class Staged(NamedTuple):
    """What was read, and is not taken yet."""

    begun: Begun | None
    """None: nothing was stored, since it is only a dry run."""
    result: ImportResult


class Importer:
    """Stages what files hold, and takes it at once when all of it is good.

    `pause` waits for so many seconds, or until we are to stop.
    """

    def __init__(
        self,
        *,
        imports: Imports,
        admission: Admission,
        unknown: UnknownDevices,
        monotonic: Callable[[], float],
        pause: Callable[[float], object],
    ) -> None:
        self._imports = imports
        self._admission = admission
        self._unknown = unknown
        self._monotonic = monotonic
        self._pause = pause

    def run(self, request: ImportRequest, progress: Progress = no_progress) -> ImportResult:
        """Stage it, and take it."""
        staged = self.stage(request, progress)
        self.take(request, staged)
        return staged.result

    def stage(self, request: ImportRequest, progress: Progress = no_progress) -> Staged:
        """What would come of it; nobody sees it before `take`.

        `progress` is told how many values were read so far, and of how many, about. An import that
        was interrupted goes on where it was, if its files are the same. MeterFileError: a file is
        not as the profile says, and nothing is taken. IntakeFull, DatabaseError: nothing is taken,
        and a repeat goes on.
        """
        result = ImportResult()
        unknown: Counter[str] = Counter()
        begun = None if request.dry_run else self._imports.begin(_digest(request))
        staged = Receipt() if begun is None else _receipt(begun.receipt)
        read = 0
        began_s = self._monotonic()
        try:
            for file in self._files(request):
                for block in joined(file.read()):
                    admitted = self._admission.admit(
                        block,
                        source=request.source,
                        late=request.late,
                        when_late=request.when_late,
                        leaves_unknown=request.leaves_unknown,
                    )
                    unknown.update(admitted.unknown)
                    read += len(block)
                    overlapping = np.zeros(0, dtype=np.int64)
                    if begun is None:
                        result.receipt.taken += len(admitted.arrival.rows)
                        refusals = admitted.receipt.refusals
                        result.receipt.refusals.extend(refusals, file=str(file.path))
                    elif read > begun.values:
                        overlapping = self._stage(begun, admitted, read, staged, str(file.path))
                    _add_totals(result.totals, admitted.arrival, overlapping)
                    progress(read, _expected(read, file, request.files))
                    if request.is_beside_a_run:
                        self._pause(self._monotonic() - began_s)
                        began_s = self._monotonic()
                if not request.leaves_unknown:
                    result.receipt.refusals.extend(file.refusals, file=str(file.path))
                    result.skipped.update(file.skipped)
        except MeterFileError:
            if begun is not None:
                self._imports.discard(begun)
            raise
        is_empty = not (read or result.receipt.refusals.count or staged.refusals.count)
        if is_empty and not result.skipped and not request.leaves_unknown:
            if begun is not None:
                self._imports.discard(begun)
            names = ", ".join(map(str, request.files))
            raise MeterFileError(f"{names}: no value was found; is it of the profile's kind?")
        if not request.dry_run:
            self._unknown.note(request.source or EVERY_SOURCE, unknown)
        result.receipt.add(staged)
        return Staged(begun, result)

    def take(self, request: ImportRequest, staged: Staged) -> None:
        """From now on everybody sees what was staged; nothing, where some of it is refused."""
        begun, result = staged
        if begun is not None:
            result.is_taken = self._publish(begun, request, result.receipt)
            if not result.is_taken:
                self._imports.discard(begun)

    def discard(self, staged: Staged) -> None:
        """Forget it, as something else was refused."""
        if staged.begun is not None:
            self._imports.discard(staged.begun)

    def _publish(self, begun: Begun, request: ImportRequest, receipt: Receipt) -> bool:
        """Whether it was published: nothing is where some of it is refused."""
        if receipt.refusals.count and not request.keep_good:
            return False
        overlapping = self._imports.publish(begun, whole=not request.keep_good)
        if overlapping:
            reason = "part of its interval was measured by others meanwhile"
            receipt.refusals.add(0, "", reason, count=overlapping)
        return request.keep_good or not overlapping

    def _files(self, request: ImportRequest) -> Iterator[MeterFile]:
        for path in request.files:
            yield MeterFile(path, request.profile, device=request.device, zone=request.zone)

    def _stage(
        self, begun: Begun, admitted: Admitted, read: int, staged: Receipt, file: str
    ) -> Int64:
        """The places of the rows of whose time something else is measured: they are refused."""
        overlapping: list[Int64] = []

        def kept(judged: Judged) -> str:
            receipt = admitted.settled(judged)
            overlapping.append(judged.overlapping)
            staged.add(receipt, file=file)
            return _written(staged)

        self._imports.stage(begun, admitted.arrival, values=read, receipt=kept)
        return overlapping[-1]


def _expected(read: int, file: MeterFile, files: Sequence[Path]) -> int:
    """How many values there are in all, by the share of bytes that was read."""
    before = sum(path.stat().st_size for path in files[: files.index(file.path)])
    total = sum(path.stat().st_size for path in files)
    done = max(before + file.bytes_read, 1)
    return max(round(read * total / done), read)


def joined(blocks: Iterable[Measurements], rows: int = BLOCK_ROWS) -> Iterator[Measurements]:
    """The same values in fewer blocks, of about so many."""
    waiting: list[Measurements] = []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) >= rows:
            yield together(waiting)
            waiting = []
    if waiting:
        yield together(waiting)


def _digest(request: ImportRequest) -> str:
    """What tells one import from another."""
    digest = hashlib.sha256()
    for path in request.files:
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise MeterFileError(f"{path}: cannot be read: {error.strerror}") from None
    words = [request.profile.model_dump_json(), request.source, request.device, str(request.zone)]
    words += ["tell"] if request.tell else []
    digest.update(orjson.dumps(words))
    return digest.hexdigest()


def _written(receipt: Receipt) -> str:
    """What is kept of it: of refusals, the first ones and their number."""
    counts = {name: getattr(receipt, name) for name in COUNTED}
    first = receipt.refusals.first[:MAX_KEPT]
    return orjson.dumps(
        {**counts, "first": [list(each) for each in first], "refused": receipt.refusals.count}
    ).decode()


def _receipt(kept: str) -> Receipt:
    if not kept:
        return Receipt()
    values = orjson.loads(kept)
    first = [Refusal(*each) for each in values["first"]]
    refusals = Refusals(first=first, count=values["refused"])
    return Receipt(**{name: values[name] for name in COUNTED}, refusals=refusals)


def _add_totals(totals: dict[SeriesName, SeriesTotal], arrival: Arrival, without: Int64) -> None:
    """What these rows hold, without some; of those of one time, only the last one."""
    rows = last_of_each([np.delete(arrival.rows, without)])
    if not len(rows):
        return
    places, begins = np.unique(rows["series"], return_index=True)
    for place, own in zip(places.tolist(), np.split(rows, begins[1:]), strict=True):
        name = arrival.names[place]
        total = totals.setdefault(name, SeriesTotal())
        total.values += len(own)
        total.first_us = min(total.first_us, int(own["start"].min()))
        total.last_us = max(total.last_us, int(own["end"].max()))
        hours = (own["end"] - own["start"]) / HOUR_US
        if name.quantity == Quantity.ENERGY:
            total.kwh = (total.kwh or 0.0) + float(own["value"].sum())
        elif name.quantity == Quantity.POWER and hours.any():
            total.kwh = (total.kwh or 0.0) + float((own["value"] * hours).sum())
        elif name.quantity == Quantity.REGISTER:
            total.lowest = min(total.lowest, float(own["value"].min()))
            total.highest = max(total.highest, float(own["value"].max()))
            total.kwh = total.highest - total.lowest
