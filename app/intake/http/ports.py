"""What an application that is served hands on to: in this process, or in those of shards."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, runtime_checkable

from app.intake.measurement import Measurements, Receipt
from app.intake.sources import Source


@runtime_checkable
class TakesMeasurements(Protocol):
    """Where live sources hand in what they have; as `Intake` says it."""

    def take(self, batch: Measurements, source: Source) -> Receipt: ...


class HasFields(Protocol):
    """Something with names and values, as text."""

    def fields(self) -> dict[str, str]: ...


class ListsGaps(Protocol):
    """Says where nothing is known of resources that have a meter."""

    def gaps(
        self,
        start: datetime,
        end: datetime,
        *,
        ven_name: str | None = None,
        source: str | None = None,
    ) -> Iterable[HasFields]: ...


@runtime_checkable
class TakesOutcomes(Protocol):
    """Who follows what devices answer to orders."""

    def actuator_of_token(self, token: str) -> str | None: ...

    def post(self, actuator: str, body: bytes) -> bool:
        """ValueError, in a few words: it is no answer. False: too many wait already."""
