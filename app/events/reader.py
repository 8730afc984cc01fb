"""What VENs know of their VTN after a poll: what is listed, and what only its id finds."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import NamedTuple
from weakref import WeakValueDictionary

from app.events.grants import Grants
from app.events.listed import Listed, body_of
from app.events.ports import EventsClient
from app.events.seen import Granted
from app.events.views import KeptEvent, Units, View
from app.openadr import (
    Event,
    SharedReadings,
    Targets,
    VtnDown,
    VtnError,
    WireError,
    lasts_untold,
)
from app.platform import LogOnce

logger = logging.getLogger(__name__)


class Asked(NamedTuple):
    """What a poll found of one VEN."""

    ven_name: str
    before: View
    """What the VEN knew when it began."""
    now: View


class EventReader:
    """Asks the VTN for VENs that are the same client of it and have the same targets.

    An event that is missing from a list is asked for by its id: only 404 says that it is gone
    (openadr.md, 'Reading what a VTN sends'). `clock` gives the first sight. Safe for several
    threads.
    """

    def __init__(self, *, clock: Callable[[], datetime], log_once: LogOnce, grants: Grants) -> None:
        self._clock = clock
        self._log_once = log_once
        self._grants = grants
        self._lock = threading.Lock()
        self._same_lists: WeakValueDictionary[object, Listed] = WeakValueDictionary()
        self._same_events: WeakValueDictionary[bytes, Event] = WeakValueDictionary()
        """Events by their bodies, as long as a VEN has them: VENs that are told the same share."""

    def listed(self, client: EventsClient, targets: Targets, shared: SharedReadings) -> Listed:
        """What is listed now; the same object where all is as it was. Raises VtnError."""
        programs = self._grants.allowed(
            lambda: client.programs(targets, shared), "programs", client
        )
        found = Listed(programs, client.events(targets, shared))
        with self._lock:
            return self._same_lists.setdefault(found.pages, found)

    def asked(
        self,
        vens: Iterable[tuple[str, View, Granted]],
        listed: Listed,
        client: EventsClient,
        shared: SharedReadings,
    ) -> tuple[list[Asked], dict[str, VtnError]]:
        """What each of these VENs knows now: (name, what it knew, what it is granted); and why it
        is not known of others, as an event that only its id finds cannot be asked for. VtnDown.
        """
        merge = _Merge(self, listed, client, shared, self._clock())
        asked: list[Asked] = []
        failed: dict[str, VtnError] = {}
        for ven_name, before, granted in vens:
            now = merge.view(ven_name, before, granted)
            if isinstance(now, VtnError):
                failed[ven_name] = now
            else:
                asked.append(Asked(ven_name, before, now))
        return asked, failed

    def kept(
        self, event: Event, body: bytes, before: KeptEvent | None, seen_now: datetime
    ) -> KeptEvent:
        """An event as it is to be kept. `before`: as it was."""
        if before is not None and before.first_seen > seen_now:
            before = replace(before, first_seen=seen_now)  # the clock was ahead
        if before is not None and before.body == body:
            return before
        return KeptEvent(
            event=self.shared(event, body),
            body=body,
            first_seen=before.first_seen if before else seen_now,
            had_time=(before is not None and before.had_time) or not event.is_marked_as_cancelled,
        )

    def shared(self, event: Event, body: bytes) -> Event:
        """The same event, as another VEN has it already."""
        with self._lock:
            return self._same_events.setdefault(body, event)

    def say_unread(self, ven_name: str, event: Event) -> None:
        """What of an event cannot be read, once."""
        for what in event.unread:
            self.say(f"VEN {ven_name}: event {event.event_id}: {what}", about=event.event_id + what)
        if lasts_untold(event):
            self.say(
                f"event {event.event_id}: an interval has no duration: it holds until the next one"
                " begins, or without end"
            )

    def say(self, line: str, about: str = "") -> None:
        """A warning, once; with `about`, of the first VEN that meets it."""
        self._log_once(logger, logging.WARNING, line, about=about)


class _Merge:
    """Puts together what is listed and what VENs knew: once for all that knew the same."""

    def __init__(
        self,
        reader: EventReader,
        listed: Listed,
        client: EventsClient,
        shared: SharedReadings,
        seen_now: datetime,
    ) -> None:
        self._reader = reader
        self._listed = listed
        self._client = client
        self._shared = shared
        self._seen_now = seen_now
        self._events_of: dict[int, tuple[Mapping[str, KeptEvent], bool] | VtnError] = {}
        """By the identity of what was known: the events now, and whether all of them are listed."""
        self._units_of: dict[int, Units] = {}

    def view(self, ven_name: str, before: View, granted: Granted) -> View | VtnError:
        """What a VEN knows now; the same object where that is what it knew."""
        events_now = self._events_of.get(id(before.events))
        if events_now is None:
            events_now = self._events_of[id(before.events)] = self._events(ven_name, before)
        if isinstance(events_now, VtnError):
            return events_now
        events, are_listed = events_now
        is_same = events is before.events and before.listed is self._listed
        if is_same and (granted is before.granted or granted == before.granted):
            return before
        units = self._units_of.get(id(before.program_units))
        if units is None:
            units = self._units_of[id(before.program_units)] = self._units(before.program_units)
        return View(
            events=events,
            granted=granted,
            program_units=units,
            listed=self._listed if are_listed else None,
        )

    def _events(
        self, ven_name: str, before: View
    ) -> tuple[Mapping[str, KeptEvent], bool] | VtnError:
        if before.listed is self._listed and not _is_ahead(before, self._seen_now):
            return before.events, True
        found, bodies = dict(self._listed.events), dict(self._listed.bodies)
        others = before.events.keys() - found.keys()
        for event_id in others:
            try:
                what = self._client.identity, "event", event_id
                event = self._shared(what, partial(self._client.event, event_id))
            except WireError as error:
                # Never more widely than it is written now, whatever it was.
                self._reader.say(
                    f"VEN {ven_name}: {error}; it is not followed until it can be read"
                )
                continue
            except VtnDown:
                raise
            except VtnError as error:
                return error
            if event is not None:
                found[event_id], bodies[event_id] = event, body_of(event)
        events: dict[str, KeptEvent] = {}
        for event_id, event in found.items():
            body = bodies[event_id]
            if body is None:
                self._reader.say(
                    f"VEN {ven_name}: event {event_id} is nested too deep to be followed"
                )
                continue
            known = before.events.get(event_id)
            events[event_id] = self._reader.kept(event, body, known, self._seen_now)
            self._reader.say_unread(ven_name, event)
        return (before.events if events == before.events else events), not others

    def _units(self, before: Units) -> Units:
        programs = self._listed.programs
        if programs is None:
            return before
        units = {program_id: program.units for program_id, program in programs.items()}
        for program_id, own in units.items():
            if own is None:
                self._reader.say(
                    f"program {program_id}: payloadDescriptors cannot be read: values of"
                    " its events have no unit that is known"
                )
        return before if before == units else units


def _is_ahead(view: View, now: datetime) -> bool:
    """Whether the clock was when something was seen first."""
    return any(kept.first_seen > now for kept in view.events.values())
