"""What this room needs of others; the wiring fills it in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from app.actuation.order import Key, Written
from app.events import SeenEvent
from app.fleet import WhoTakesPart
from app.readings import Frame


@runtime_checkable
class HasOrders(Protocol):
    """The orders that channels write."""

    def written(self, key: Key) -> Written | None: ...

    def of_actuator(self, name: str) -> Iterable[Key]: ...

    @property
    def run(self) -> str: ...


@runtime_checkable
class MeasuresPower(Protocol):
    """What real meters say of a span."""

    def mean_kw(
        self, spans: Mapping[tuple[str, str], tuple[datetime, datetime]]
    ) -> dict[tuple[str, str], float]: ...


@runtime_checkable
class KnowsFrames(Protocol):
    """The last tick."""

    def last(self) -> Frame | None: ...


@runtime_checkable
class KnowsEvents(Protocol):
    """What each VEN is asked."""

    def of_ven(self, ven_name: str) -> Sequence[SeenEvent]: ...


@runtime_checkable
class Audits(Protocol):
    """Where it is written down who changed what."""

    def note(
        self, who: str, action: str, about: str, state: str, values: Mapping[str, object]
    ) -> None: ...


@runtime_checkable
class KnowsWhoTakesPart(Protocol):
    """Opt-outs and releases, as of so long ago at the most."""

    def current(self, max_age_s: float = 0.0) -> WhoTakesPart: ...
