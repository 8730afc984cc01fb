"""What an interval report said of real meters: kept, so that what changes can be told."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from app.control import Span
from app.openadr import read_instant, write_duration, write_instant
from app.platform import from_us, to_us
from app.reporting.content.encode import payload_descriptors
from app.reporting.content.instant import DECIMALS, MISSING, OK, Values
from app.reporting.content.metered import NO_VALUE, Cell
from app.reporting.requests import DATA_QUALITY, ReportRequest

AGGREGATE = "AGGREGATED_REPORT"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A span of a report: an interval, or a part of one."""

    interval_id: int
    span: Span


@dataclass(frozen=True, kw_only=True)
class ToldCells:
    """Values of resources with real meters, by resource and piece."""

    pieces: Sequence[Piece]
    cells: Mapping[str, Sequence[Cell]]
    """Of the one aggregate, where resources are reported as one."""
    others: Sequence[float] | None = None
    """Of an aggregate: what simulated resources come to in each piece."""

    @classmethod
    def of(cls, values: Sequence[Values], columns: slice, metered: Collection[str]) -> ToldCells:
        """Of the metered resources in these columns of a report."""
        cells: dict[str, list[Cell]] = {}
        pieces = []
        for due in values:
            span = due.start, due.start + due.duration
            pieces.append(Piece(interval_id=due.interval_id or 0, span=span))
            numbers = due.numbers[columns].tolist()
            words = [OK] * len(numbers) if due.quality is None else due.quality[columns]
            for quoted, number, word in zip(due.quoted_names[columns], numbers, words, strict=True):
                name = str(orjson.loads(quoted))
                if name in metered:
                    is_known = number is not None and number == number
                    cells.setdefault(name, []).append((number, word) if is_known else NO_VALUE)
        return cls(pieces=pieces, cells=cells)

    @classmethod
    def of_aggregate(
        cls, values: Sequence[Values], metered: Mapping[str, Sequence[Cell]], *, first: int
    ) -> ToldCells:
        """Of resources that are reported as one; `metered`: what real meters say of each piece of
        the whole report, of which the values begin with the `first`."""
        whole = cls.of(values, slice(0, 1), [AGGREGATE])
        others = []
        for place, (value, _) in enumerate(whole.cells.get(AGGREGATE, ())):
            own = [cells[first + place][0] for cells in metered.values()]
            others.append(number(value) - sum(map(number, own)))
        return replace(whole, others=others)

    @property
    def count(self) -> int:
        """How many values there are, or could be."""
        return len(self.pieces) * len(self.cells)

    def pack(self) -> bytes:
        """As it is stored."""
        pieces = [[piece.interval_id, *map(to_us, piece.span)] for piece in self.pieces]
        cells = {name: [list(cell) for cell in own] for name, own in self.cells.items()}
        return zlib.compress(orjson.dumps([pieces, cells, self.others]), 1)

    @classmethod
    def unpack(cls, packed: bytes) -> ToldCells:
        """What `pack` made."""
        pieces, cells, others = orjson.loads(zlib.decompress(packed))
        return cls(
            pieces=[
                Piece(interval_id=number, span=(from_us(start), from_us(end)))
                for number, start, end in pieces
            ],
            cells={name: [(value, word) for value, word in own] for name, own in cells.items()},
            others=others,
        )


def number(value: object) -> float:
    """What a value counts in a sum; nothing, where there is none."""
    return float(value) if isinstance(value, int | float) else 0.0


def report_of_cells(
    ven_name: str, request: ReportRequest, name: str, told: ToldCells
) -> tuple[bytes, int]:
    """A report of these cells, and how many values it has."""
    resources = []
    readings = 0
    for resource_name, cells in told.cells.items():
        intervals = [
            interval
            for piece, cell in zip(told.pieces, cells, strict=True)
            if (interval := _interval(piece, cell, request)) is not None
        ]
        readings += sum(cell[0] is not None for cell in cells)
        if intervals:
            resources.append({"resourceName": resource_name, "intervals": intervals})
    return (
        orjson.dumps(
            {
                "eventID": request.event_id,
                "clientName": ven_name,
                "reportName": name,
                "payloadDescriptors": list(payload_descriptors(request)),
                "resources": resources,
            }
        ),
        readings,
    )


REQUEST_FIELDS = ("eventID", "clientName", "reportName", "payloadDescriptors", "resources")


def replaced_cells(found: Mapping[str, Any], request: ReportRequest, changed: ToldCells) -> bytes:
    """The report that the VTN has, with these cells in the place of what it says of them.

    ValueError: it is no report that we would have sent.
    """
    try:
        return orjson.dumps(_replaced(found, request, changed))
    except (AttributeError, KeyError, TypeError):
        raise ValueError("what the VTN has is no report of ours") from None


def _replaced(
    found: Mapping[str, Any], request: ReportRequest, changed: ToldCells
) -> dict[str, Any]:
    report = {name: found[name] for name in REQUEST_FIELDS if name in found}
    resources = report["resources"] = [dict(each) for each in report.get("resources") or ()]
    by_name = {each.get("resourceName"): each for each in resources}
    for resource_name, cells in changed.cells.items():
        resource = by_name.get(resource_name)
        if resource is None:
            resource = {"resourceName": resource_name, "intervals": []}
            resources.append(resource)
        intervals = resource["intervals"] = list(resource.get("intervals") or ())
        for piece, cell in zip(changed.pieces, cells, strict=True):
            new = _interval(piece, cell, request) if cell[0] is not None else None
            if new is None:
                continue
            place = next((at for at, each in enumerate(intervals) if _is_of(each, piece)), None)
            if place is None:
                intervals.append(new)
            else:
                intervals[place] = new
    return report


def cells_of_report(found: Mapping[str, Any], told: ToldCells) -> ToldCells:
    """The same cells as the VTN has them in a report. ValueError: it is no report of ours."""
    try:
        intervals = {
            each["resourceName"]: each.get("intervals") or () for each in found["resources"]
        }
        return replace(
            told,
            cells={
                name: [_cell_of(piece, intervals.get(name, ())) for piece in told.pieces]
                for name in told.cells
            },
        )
    except (AttributeError, IndexError, KeyError, TypeError):
        raise ValueError("what the VTN has is no report of ours") from None


def _cell_of(piece: Piece, intervals: Sequence[Mapping[str, Any]]) -> Cell:
    for interval in intervals:
        if _is_of(interval, piece):
            payloads = {each["type"]: each["values"][0] for each in interval["payloads"]}
            word = str(payloads.pop(DATA_QUALITY, OK))
            value = next(iter(payloads.values()), None)
            return NO_VALUE if word == MISSING or value is None else (value, word)
    return NO_VALUE


def _interval(piece: Piece, cell: Cell, request: ReportRequest) -> dict[str, Any] | None:
    """None: there is nothing to tell."""
    value, word = cell
    if value is None and not request.with_quality:
        return None
    told = round(value, DECIMALS) if isinstance(value, float) else value
    payloads = [{"type": request.payload_type, "values": [0 if told is None else told]}]
    if request.with_quality:
        payloads.append({"type": DATA_QUALITY, "values": [word or MISSING]})
    start, end = piece.span
    return {
        "id": piece.interval_id,
        "intervalPeriod": {"start": write_instant(start), "duration": write_duration(end - start)},
        "payloads": payloads,
    }


def _is_of(interval: Mapping[str, Any], piece: Piece) -> bool:
    """Whether an interval of a report is about this piece."""
    period = interval.get("intervalPeriod") or {}
    try:
        start = read_instant(str(period.get("start")))
    except ValueError:
        return False
    return start == piece.span[0] and interval.get("id") == piece.interval_id
