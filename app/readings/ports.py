"""What others may do with the log of readings; each is given as little as it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from app.readings.frame import Frame
from app.readings.index import StoredSize
from app.readings.roster import Roster


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

    def frames_after(self, seq: int) -> tuple[int, dict[Roster, int]]: ...

    def instants(self, ven_name: str, start: datetime, end: datetime) -> list[datetime]: ...

    def since(self, seq: int, *, most_bytes: int) -> list[Frame]: ...

    def by_time(
        self, start: datetime, end: datetime, *, no_later_than: datetime, most_bytes: int
    ) -> Iterator[list[Frame]]: ...

    def slices_since(self, ven_name: str, seq: int, *, most_bytes: int) -> list[Frame]: ...

    def sliced_through(self) -> dict[str, int]: ...

    def readings_of(
        self,
        ven_name: str,
        after: int,
        through: int | None = None,
        *,
        width: Callable[[Sequence[str]], int] = len,
    ) -> int: ...


@runtime_checkable
class KeepsFrames(ReadsFrames, Protocol):
    """Who decides what is kept."""

    def move_out(self, spans: Mapping[str, tuple[int, int]]) -> None: ...

    def prune(self, *, before_seq: int, before: datetime) -> None: ...

    def prune_slices(self, floors: Mapping[str, int]) -> None: ...

    def drop_below(self, seq: int) -> None: ...

    def oldest_us(self) -> int | None: ...

    def sizes(self) -> list[StoredSize]: ...

    def bytes_stored(self) -> int: ...
