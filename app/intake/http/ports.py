"""What an application that is served hands on to: in this process, or in those of shards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol, runtime_checkable

from app.intake.exports import Gap
from app.intake.measurement import Measurements, Receipt
from app.intake.sources import Source


@runtime_checkable
class TakesMeasurements(Protocol):
    """Where live sources hand in what they have; as `Intake` says it."""

    def take(self, batch: Measurements, source: Source) -> Receipt: ...


class ListsGaps(Protocol):
    """Says where nothing is known of resources that have a meter."""

    def gaps(
        self,
        start: datetime,
        end: datetime,
        *,
        ven_name: str | None = None,
        source: str | None = None,
    ) -> Iterator[Gap]: ...


@runtime_checkable
class TakesOutcomes(Protocol):
    """Who follows what devices answer to orders."""

    def actuator_of_token(self, token: str) -> str | None: ...

    def post(self, actuator: str, body: bytes) -> bool:
        """ValueError, in a few words: it is no answer. False: too many wait already."""
