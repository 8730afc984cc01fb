"""Where readings come from, and who makes room for them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol, runtime_checkable

from app.control import ControlInput, ControlResult, ResourceArrays
from app.fleet import Resource, Status, VenSummary
from app.intake import Latest
from app.readings import Frame, Roster


class MeterSource(Protocol):
    """What a tick gets its frame from: the simulator, or real meters."""

    def next_frame(self) -> Frame:
        """The next reading of every approved resource, not yet stored."""


@runtime_checkable
class SpaceGuard(Protocol):
    """What looks after the size of the store of readings."""

    def reserve(self, frame_bytes: int) -> None:
        """Before a frame of this size is stored. StoreFull when there is to be none."""


@runtime_checkable
class MeteredFleet(Protocol):
    """Whose power is metered."""

    def revision(self) -> int: ...

    def resources(
        self, ven_name: str | None = None, *, status: Status | None = None
    ) -> Iterator[tuple[str, Resource]]: ...

    def summaries(self) -> list[VenSummary]: ...


@runtime_checkable
class KnowsLatest(Protocol):
    """What real meters measured last."""

    def latest(self, roster: Roster, now: datetime) -> Latest: ...


@runtime_checkable
class AnswersEvents(Protocol):
    """What makes resources answer what their VENs are asked."""

    def answer(self, resources: ResourceArrays, inputs: ControlInput) -> ControlResult: ...
