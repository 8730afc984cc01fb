"""The events of each VEN as its VTN last showed them, kept over restarts."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import orjson
from sqlalchemy import Connection, text

from app.events.grants import EventsClient, Grants
from app.events.seen import Granted, PushOutcome, SeenEvent
from app.events.views import forget_ven, read_view, units_of, write_view
from app.fleet import VEN
from app.openadr import Event, WireError, lasts_untold, read_event
from app.platform import Database, LockPerName, LogOnce, from_us, json_bytes, to_us

logger = logging.getLogger(__name__)

T = TypeVar("T")
MAX_GONE = 100_000
"""Events that are gone, of all VENs, that are remembered."""
NOTHING_GRANTED = Granted()


@dataclass(frozen=True)
class _Kept:
    event: Event
    body: bytes
    first_seen: datetime
    had_time: bool
    """Whether it was ever seen without the marker of a cancellation."""


@dataclass(frozen=True, kw_only=True)
class _View:
    """All that one VEN knows of its VTN."""

    events: Mapping[str, _Kept] = field(default_factory=dict)
    granted: Granted = NOTHING_GRANTED
    program_units: Mapping[str, Mapping[str, str] | None] = field(default_factory=dict)
    """By program id: the units of each payload type; None: they cannot be read."""


class EventStore:
    """What each VEN is asked, by event id.

    An event that is missing from a list is asked for by its id: only 404 says that it is gone
    (openadr.md, 'Reading what a VTN sends'). `clock` gives the first sight, which is remembered.
    `grants` reads the targets that a VEN has; `on_change` is called after every change.
    Safe for several threads.
    """

    def __init__(
        self,
        *,
        database: Database,
        clock: Callable[[], datetime],
        log_once: LogOnce,
        grants: Grants,
        on_change: Callable[[], None],
    ) -> None:
        self._grants = grants
        self._on_change = on_change
        self._log_once = log_once
        self._database = database
        self._clock = clock
        self._one_at_a_time = LockPerName()
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._gone: OrderedDict[tuple[str, str], None] = OrderedDict()
        """What the VTN no longer has: a late notification does not bring it back."""
        self._views: dict[str, _View] | None = None
        self._seen: dict[str, Sequence[SeenEvent]] = {}
        self._same: WeakValueDictionary[bytes, Event] = WeakValueDictionary()
        """Events by their bodies, as long as a VEN has them: VENs that are told the same share."""
        self.revision = 0
        """Rises with every change."""

    def sync(self, ven: VEN, client: EventsClient) -> Sequence[SeenEvent]:
        """Ask the VTN; return every event of the VEN. Raises VtnError, and then changes nothing."""
        with self._one_at_a_time(ven.ven_name):
            kept = self._view(ven.ven_name)
            asked = self._asked(ven, client, kept)
            with self._writing:
                # What push brought meanwhile may be newer than what was asked before.
                latest = self._view(ven.ven_name)
                brought = {
                    event_id: event
                    for event_id, event in latest.events.items()
                    if event != kept.events.get(event_id)
                    and _is_newer(event, asked.events.get(event_id), event_id in kept.events)
                }
                now = replace(asked, events={**asked.events, **brought})
                if now != latest:
                    self._keep({ven.ven_name: (latest, now)})
            return self.of_ven(ven.ven_name)

    def apply_pushed(self, pushed: Sequence[tuple[str, Event]]) -> Sequence[PushOutcome]:
        """Take events that push brought to VENs, in one write; each with the outcome.

        Taken is what is new, or newer by the VTN's clock, and meant for the VEN by the targets that
        it is known to have. What was gone before and what cannot be compared is UNCLEAR: only the
        VTN can say (openadr.md, 'Push').
        """
        with self._writing:
            seen_now = self._clock()
            before: dict[str, _View] = {}
            events: dict[str, dict[str, _Kept]] = {}
            outcomes = []
            for ven_name, event in pushed:
                if ven_name not in before:
                    before[ven_name] = self._view(ven_name)
                    events[ven_name] = dict(before[ven_name].events)
                kept = events[ven_name].get(event.event_id)
                outcome = self._judged(ven_name, event, kept, before[ven_name].granted)
                if outcome is PushOutcome.TAKEN:
                    try:
                        events[ven_name][event.event_id] = self._kept(event, kept, seen_now)
                    except orjson.JSONEncodeError:
                        outcome = PushOutcome.UNCLEAR
                outcomes.append(outcome)
            changed = {
                name: (view, replace(view, events=events[name]))
                for name, view in before.items()
                if events[name] != view.events
            }
            if changed:
                self._keep(changed)
            return outcomes

    def _judged(
        self, ven_name: str, event: Event, kept: _Kept | None, granted: Granted
    ) -> PushOutcome:
        if event.targets and event.targets.isdisjoint(granted.all):
            return PushOutcome.UNCLEAR
        if kept is None:
            return (
                PushOutcome.UNCLEAR
                if (ven_name, event.event_id) in self._gone
                else PushOutcome.TAKEN
            )
        if kept.event.modified_at is None or event.modified_at is None:
            return PushOutcome.UNCLEAR
        if event.modified_at == kept.event.modified_at and event.raw != kept.event.raw:
            return PushOutcome.UNCLEAR  # a VTN's clock may be coarse
        return (
            PushOutcome.TAKEN if event.modified_at > kept.event.modified_at else PushOutcome.KNOWN
        )

    def apply_deleted(self, ven_names: Sequence[str], event_id: str) -> list[str]:
        """Push says that an event is gone: the VENs that have it, and should ask whether it is.

        To the others a late notification no longer brings it.
        """
        with self._lock:
            for name in ven_names:
                self._remember_gone(name, event_id)
        return [name for name in ven_names if event_id in self._view(name).events]

    def _remember_gone(self, ven_name: str, event_id: str) -> None:
        self._gone[ven_name, event_id] = None
        while len(self._gone) > MAX_GONE:
            self._gone.popitem(last=False)

    def program_ids(self, ven_name: str) -> frozenset[str]:
        """The programs that the VEN may see, as of its last poll."""
        return frozenset(self._view(ven_name).program_units)

    def _keep(self, changed: Mapping[str, tuple[_View, _View]]) -> None:
        """Store what changed from the first view to the second, by VEN; then follow it."""
        with self._database.write() as connection:
            for ven_name, (kept, now) in changed.items():
                self._store(connection, ven_name, kept, now)
        with self._lock:
            for ven_name, (kept, now) in changed.items():
                self._known()[ven_name] = now
                self._seen.pop(ven_name, None)
                for event_id in kept.events.keys() - now.events.keys():
                    self._remember_gone(ven_name, event_id)
            self.revision += 1
        self._on_change()
        for ven_name, (kept, now) in changed.items():
            self._tell_changes(ven_name, kept, now)

    def of_ven(self, ven_name: str) -> Sequence[SeenEvent]:
        """The events of one VEN as they were last seen."""
        view = self._view(ven_name)
        with self._lock:
            if ven_name not in self._seen:
                self._seen[ven_name] = [
                    _seen(ven_name, view, event) for event in view.events.values()
                ]
            return self._seen[ven_name]

    def ven_names(self) -> list[str]:
        """The VENs that know anything of their VTN."""
        with self._lock:
            return list(self._known())

    def forget(self, ven_name: str) -> None:
        """A VEN that is no longer in the fleet."""
        with self._writing:
            with self._database.write() as connection:
                forget_ven(connection, ven_name)
            with self._lock:
                self._known().pop(ven_name, None)
                self._seen.pop(ven_name, None)
                self.revision += 1
            self._on_change()

    def _asked(self, ven: VEN, client: EventsClient, kept: _View) -> _View:
        granted = self._grants.read(ven, client, kept.granted)
        programs = self._grants.allowed(lambda: client.programs(granted.all), "programs", client)
        listed = {event.event_id: event for event in client.events(granted.all)}
        for event_id in kept.events.keys() - listed.keys():
            try:
                event = client.event(event_id)
            except WireError as error:
                # Never more widely than it is written now, whatever it was.
                self._say(f"VEN {ven.ven_name}: {error}; it is not followed until it can be read")
                continue
            if event is not None:
                listed[event_id] = event
        seen_now = self._clock()
        events: dict[str, _Kept] = {}
        for event_id, event in listed.items():
            before = kept.events.get(event_id)
            try:
                events[event_id] = self._kept(event, before, seen_now)
            except orjson.JSONEncodeError:
                self._say(f"VEN {ven.ven_name}: event {event_id} is nested too deep to be followed")
                continue
            for what in event.unread:
                self._say(f"VEN {ven.ven_name}: event {event_id}: {what}", about=event_id + what)
            if lasts_untold(event):
                self._say(
                    f"event {event_id}: an interval has no duration: it holds until the next one"
                    " begins, or without end"
                )
        for program in programs or ():
            if program.units is None:
                self._say(
                    f"program {program.program_id}: payloadDescriptors cannot be read: values of"
                    " its events have no unit that is known"
                )
        return _View(
            events=events,
            granted=granted,
            program_units=(
                kept.program_units
                if programs is None
                else {program.program_id: program.units for program in programs}
            ),
        )

    def _kept(self, event: Event, before: _Kept | None, seen_now: datetime) -> _Kept:
        body = json_bytes(event.raw, orjson.OPT_SORT_KEYS)
        if before is not None and before.first_seen > seen_now:
            before = replace(before, first_seen=seen_now)  # the clock was ahead
        if before is not None and before.body == body:
            return before
        with self._lock:
            event = self._same.setdefault(body, event)
        return _Kept(
            event=event,
            body=body,
            first_seen=before.first_seen if before else seen_now,
            had_time=(before is not None and before.had_time) or not event.is_marked_as_cancelled,
        )

    def _view(self, ven_name: str) -> _View:
        with self._lock:
            return self._known().get(ven_name, _View())

    def _known(self) -> dict[str, _View]:
        """All that was stored, read once."""
        if self._views is None:
            with self._database.read() as connection:
                self._views = self._load(connection)
        return self._views

    def _load(self, connection: Connection) -> dict[str, _View]:
        events: dict[str, dict[str, _Kept]] = {}
        for row in connection.execute(text("SELECT * FROM event")):
            body = row.body.encode()
            try:
                event = self._same.get(body) or read_event(orjson.loads(body))
            except WireError as error:
                logger.warning("VEN %s: a stored event is left out: %s", row.ven_name, error)
                continue
            self._same[body] = event
            events.setdefault(row.ven_name, {})[row.event_id] = _Kept(
                event, body, from_us(row.first_seen_us), bool(row.had_time)
            )
        granted = {
            row.ven_name: orjson.loads(row.body)
            for row in connection.execute(text("SELECT ven_name, body FROM ven_view"))
        }
        return {
            name: _View(events=events.get(name, {}), **read_view(granted.get(name)))
            for name in events.keys() | granted.keys()
        }

    def _store(self, connection: Connection, ven_name: str, kept: _View, now: _View) -> None:
        gone = kept.events.keys() - now.events.keys()
        if gone:
            connection.execute(
                text("DELETE FROM event WHERE ven_name = :ven_name AND event_id = :event_id"),
                [{"ven_name": ven_name, "event_id": event_id} for event_id in gone],
            )
        written = _changed(kept, now)
        if written:
            connection.execute(
                text(_PUT_EVENT), [_row(ven_name, now.events[event_id]) for event_id in written]
            )
        if (kept.granted, kept.program_units) != (now.granted, now.program_units):
            connection.execute(
                text(
                    "INSERT INTO ven_view (ven_name, body) VALUES (:ven_name, :body)"
                    " ON CONFLICT (ven_name) DO UPDATE SET body = excluded.body"
                ),
                {"ven_name": ven_name, "body": write_view(now.granted, now.program_units)},
            )

    def _tell_changes(self, ven_name: str, kept: _View, now: _View) -> None:
        for event_id in sorted(kept.events.keys() - now.events.keys()):
            self._tell(ven_name, event_id, "is gone")
        for event_id in _changed(kept, now):
            logger.debug("VEN %s: event %s is new or changed", ven_name, event_id)
            before, after = kept.events.get(event_id), now.events[event_id]
            if _is_cancelled(after) and not (before and _is_cancelled(before)):
                self._tell(ven_name, event_id, "is cancelled")

    def _tell(self, ven_name: str, event_id: str, what: str) -> None:
        """Of each VEN for those who look closely, and once for all VENs of the event."""
        logger.debug("VEN %s: event %s %s", ven_name, event_id, what)
        self._log_once(logger, logging.INFO, f"event {event_id} {what}")

    def _say(self, line: str, about: str = "") -> None:
        """A warning, once; with `about`, of the first VEN that meets it."""
        self._log_once(logger, logging.WARNING, line, about=about)


_PUT_EVENT = (
    "INSERT INTO event (ven_name, event_id, body, first_seen_us, had_time)"
    " VALUES (:ven_name, :event_id, :body, :first_seen_us, :had_time)"
    " ON CONFLICT (ven_name, event_id)"
    " DO UPDATE SET body = excluded.body, had_time = excluded.had_time"
)


def _is_newer(pushed: _Kept, polled: _Kept | None, was_known: bool) -> bool:
    """Whether what push brought during a poll counts more than what the poll found."""
    if polled is None:
        return not was_known  # else the VTN has just said that it is gone
    if pushed.event.modified_at is None or polled.event.modified_at is None:
        return False
    return pushed.event.modified_at > polled.event.modified_at


def _changed(kept: _View, now: _View) -> list[str]:
    """The ids of what is new or different."""
    return sorted(
        event_id for event_id, event in now.events.items() if event != kept.events.get(event_id)
    )


def _row(ven_name: str, kept: _Kept) -> dict[str, Any]:
    return {
        "ven_name": ven_name,
        "event_id": kept.event.event_id,
        "body": kept.body.decode(),
        "first_seen_us": to_us(kept.first_seen),
        "had_time": int(kept.had_time),
    }


def _is_cancelled(kept: _Kept) -> bool:
    """Only what has intervals and had a time: live events carry the same marker (User Guide 8)."""
    event = kept.event
    return kept.had_time and event.is_marked_as_cancelled and bool(event.intervals)


def _seen(ven_name: str, view: _View, kept: _Kept) -> SeenEvent:
    return SeenEvent(
        ven_name=ven_name,
        event=kept.event,
        first_seen=kept.first_seen,
        is_cancelled=_is_cancelled(kept),
        granted=view.granted,
        units=units_of(kept.event, view.program_units.get(kept.event.program_id, {})),
    )
