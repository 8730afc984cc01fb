"""What this room needs of others; the wiring fills it in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.openadr import Event, Page, Program, SharedReadings, Targets, VtnResource, VtnVen


class EventsClient(Protocol):
    """What a VEN asks its VTN for, to know its events."""

    ven_name: str

    @property
    def identity(self) -> object: ...

    @property
    def lists_all_resources(self) -> bool: ...

    def ven(self, ven_id: str) -> VtnVen | None: ...

    def resources(self, ven_id: str) -> list[VtnResource]: ...

    def vens_listed(self, *, most_pages: int) -> tuple[list[VtnVen], bool]: ...

    def resources_listed(self, *, most_pages: int) -> tuple[list[VtnResource], bool]: ...

    def programs(self, targets: Targets, shared: SharedReadings) -> Sequence[Page[Program]]: ...

    def events(self, targets: Targets, shared: SharedReadings) -> Sequence[Page[Event]]: ...

    def event(self, event_id: str) -> Event | None: ...
