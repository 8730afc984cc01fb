"""What others may do with the log of readings; each is given as little as it needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol, runtime_checkable

from app.readings.extent import Extent
from app.readings.frame import Frame


@runtime_checkable
class AppendsFrames(Protocol):
    """Who meters."""

    def append(self, frame: Frame) -> Frame: ...

    def last(self) -> Frame | None: ...


@runtime_checkable
class ReadsFrames(Protocol):
    """Who reports."""

    def last(self) -> Frame | None: ...

    def last_before(self, instant: datetime) -> int: ...

    def oldest_seq(self) -> int: ...

    def newest_seq(self) -> int: ...

    def instants(self, ven_name: str, start: datetime, end: datetime) -> list[datetime]: ...

    def since(self, seq: int, *, most_bytes: int) -> list[Frame]: ...

    def by_time(
        self, start: datetime, end: datetime, *, no_later_than: datetime, most_bytes: int
    ) -> Iterator[list[Frame]]: ...

    def slices_since(self, ven_name: str, seq: int, *, most_bytes: int) -> list[Frame]: ...

    def sliced_through(self) -> dict[str, int]: ...

    def extent(self, after: int, *, after_sliced: int = 0) -> Extent: ...


@runtime_checkable
class KeepsFrames(ReadsFrames, Protocol):
    """Who decides what is kept."""

    def move_out(self, spans: Mapping[str, tuple[int, int]]) -> int: ...

    def prune(self, *, before_seq: int, before: datetime) -> int: ...

    def prune_slices(self, floors: Mapping[str, int]) -> int: ...

    def drop_below(self, seq: int) -> int: ...

    def oldest_us(self) -> int | None: ...

    def ages(self, limit: int) -> list[tuple[int, int, int]]: ...

    def bytes_stored(self) -> int: ...
