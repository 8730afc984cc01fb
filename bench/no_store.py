"""Stand-ins that store nothing, to measure what the durable store costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import count
from types import SimpleNamespace
from typing import Any

from app.platform import to_us
from app.readings import Frame, Roster


class NoFrames:
    """Frames in a list; what was delivered is removed."""

    def __init__(self) -> None:
        self._frames: list[Frame] = []
        self._numbers = count(1)

    def append(self, frame: Frame) -> Frame:
        self._frames.append(replace(frame, seq=next(self._numbers)))
        return self._frames[-1]

    def last(self) -> Frame | None:
        return self._frames[-1] if self._frames else None

    def last_before(self, instant: datetime) -> int:
        return max((frame.seq for frame in self._frames if frame.taken_at < instant), default=0)

    def oldest_seq(self) -> int:
        return self._frames[0].seq if self._frames else 0

    def newest_seq(self) -> int:
        return self._frames[-1].seq if self._frames else 0

    def since(self, seq: int, *, most_bytes: int) -> list[Frame]:
        del most_bytes
        return [frame for frame in self._frames if frame.seq >= seq]

    def sliced_through(self) -> dict[str, int]:
        return {}

    def bytes_stored(self) -> int:
        return 0

    def prune(self, *, before_seq: int, before: datetime) -> None:
        del before
        self._frames = [frame for frame in self._frames if frame.seq >= before_seq]

    def prune_slices(self, floors: Mapping[str, int]) -> None:
        del floors

    def oldest_us(self) -> int | None:
        return to_us(self._frames[0].taken_at) if self._frames else None

    def move_out(self, spans: Mapping[str, tuple[int, int]]) -> None:
        raise AssertionError(f"nobody lags in what is measured: {spans}")

    def drop_below(self, seq: int) -> None:
        raise AssertionError(f"nothing is full in what is measured: {seq}")

    def sizes(self) -> list[Any]:
        raise AssertionError("nothing is full in what is measured")

    def slices_since(self, ven_name: str, seq: int, *, most_bytes: int) -> list[Frame]:
        raise AssertionError(f"nobody lags in what is measured: {ven_name}, {seq}, {most_bytes}")

    def readings_of(self, ven_name: str, after: int, *_: object, **__: object) -> int:
        raise AssertionError(f"nobody counts in what is measured: {ven_name}, {after}")

    def frames_after(self, seq: int) -> tuple[int, dict[Roster, int]]:
        raise AssertionError(f"nobody counts in what is measured: {seq}")

    def instants(self, ven_name: str, start: datetime, end: datetime) -> list[datetime]:
        raise AssertionError(f"no report has its time: {ven_name}, {start}, {end}")

    def by_time(
        self, start: datetime, end: datetime, *, no_later_than: datetime, most_bytes: int
    ) -> Iterator[list[Frame]]:
        raise AssertionError(
            f"no report has its time: {start}, {end}, {no_later_than}, {most_bytes}"
        )


class _NoResult:
    """Of a statement that nobody executes."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def one(self) -> SimpleNamespace:
        return SimpleNamespace(stream_id=self._number)

    def all(self) -> list[Any]:
        return []

    def scalar_one(self) -> int:
        return 0


class NoDatabase:
    """Transactions of nothing."""

    def __init__(self) -> None:
        self._numbers = count(1)

    @contextmanager
    def write(self, **_: object) -> Iterator[NoDatabase]:
        yield self

    read = write

    def execute(self, *_: object, **__: object) -> _NoResult:
        return _NoResult(next(self._numbers))
