"""What a VEN has seen at its VTN: its events, and the targets that it was granted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Protocol, runtime_checkable

from app.openadr import ScheduledEvent, Targets, Timeline


@dataclass(frozen=True, kw_only=True)
class Granted:
    """The targets of a VEN and of its resources, as business logic set them at the VTN."""

    ven: Targets = frozenset()
    resources: Mapping[str, Targets] = field(default_factory=dict)
    """By resource name; one without targets may be missing."""

    @cached_property
    def all(self) -> Targets:
        """With what the VEN may ask for programs and events."""
        return self.ven.union(*self.resources.values())

    def scope(self, targets: Targets) -> frozenset[str] | None:
        """The resources that something with these targets is meant for; None: all of the VEN's.

        openadr.md, 'Targets': without targets, all; else those whose targets meet these, and all of
        them if the VEN's own do.
        """
        if not targets or not targets.isdisjoint(self.ven):
            return None
        return frozenset(
            name for name, own in self.resources.items() if not targets.isdisjoint(own)
        )


class PushOutcome(Enum):
    """The outcome of an event that push brought to a VEN."""

    TAKEN = "taken"
    """It is new, or newer than what the VEN had."""
    KNOWN = "known"
    """The VEN has it already, or a later state of it."""
    UNCLEAR = "unclear"
    """Only the VTN can say whether it is the VEN's, or newer; it changed nothing."""


NOTHING_GRANTED = Granted()


@dataclass(frozen=True, kw_only=True)
class SeenEvent(ScheduledEvent):
    """An event of a VEN, and since when the VEN knows it."""

    ven_name: str
    is_cancelled: bool = False
    """Whether it was emptied of its time after it had one (openadr.md, 'Time')."""
    granted: Granted = NOTHING_GRANTED
    units: Mapping[str, str] = field(default_factory=dict)
    """By payload type: what the event says, or else its program."""
    for_all: ScheduledEvent | None = field(default=None, compare=False, repr=False)
    """The same for all VENs that share it: nothing of it depends on the VEN. None: it may."""

    def draw(self, place: int) -> float:
        """By VEN, event and place, so that it need not be remembered."""
        text = f"{self.ven_name}\0{self.event.event_id}\0{place}".encode()
        number = int.from_bytes(hashlib.blake2b(text, digest_size=7).digest(), "big")
        return number / (1 << 55) - 1.0

    @cached_property
    def timeline(self) -> Timeline:
        """Its intervals."""
        if self.for_all is not None:
            return self.for_all.timeline
        return Timeline(self.event, first_seen=self.first_seen, draw=self.draw)

    @cached_property
    def scope(self) -> frozenset[str] | None:
        """The resources that it is meant for, by name; None: all of the VEN's."""
        return self.granted.scope(self.event.targets)


@runtime_checkable
class ReadsEvents(Protocol):
    """Who needs to know what VENs are asked."""

    def of_ven(self, ven_name: str) -> Sequence[SeenEvent]: ...
