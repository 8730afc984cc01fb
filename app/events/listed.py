"""What a VTN lists for a client and a set of targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import orjson

from app.openadr import Event, Page, Program, Targets, by_id
from app.platform import json_bytes


class Listed:
    """Programs and events as they were listed. VENs that are told the same share it."""

    def __init__(
        self, programs: Sequence[Page[Program]] | None, events: Sequence[Page[Event]]
    ) -> None:
        self.pages = (None if programs is None else tuple(programs)), tuple(events)
        """What it was made of; programs None: they may not be read."""

    @cached_property
    def events(self) -> Mapping[str, Event]:
        """By id."""
        return by_id(self.pages[1])

    @cached_property
    def programs(self) -> Mapping[str, Program] | None:
        """By id; None: they may not be read."""
        programs, _ = self.pages
        return None if programs is None else by_id(programs)

    @cached_property
    def bodies(self) -> Mapping[str, bytes | None]:
        """The JSON of each event, by its id; None: it is nested too deep."""
        return {event_id: body_of(event) for event_id, event in self.events.items()}

    def has_others_than(self, targets: Targets) -> bool:
        """Whether an event is meant for none of these targets: it may be newly granted."""
        return any(
            event.targets and event.targets.isdisjoint(targets) for event in self.events.values()
        )


def body_of(event: Event) -> bytes | None:
    """Its JSON, in one order; None: it is nested too deep."""
    try:
        return json_bytes(event.raw, orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return None
