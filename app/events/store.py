"""The events of each VEN as its VTN last showed them, kept over restarts."""

from __future__ import annotations

import itertools
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import orjson
from sqlalchemy import Connection, text

from app.events.listed import body_of
from app.events.reader import Asked, EventReader
from app.events.seen import Granted, PushOutcome, SeenEvent
from app.events.views import KeptEvent, Units, View, forget_ven, is_newer, read_view, store_views
from app.openadr import Event, WireError, read_event
from app.platform import Database, LogOnce, from_us

logger = logging.getLogger(__name__)

MAX_GONE = 100_000
"""Events that are gone, of all VENs, that are remembered."""
NOTHING_KNOWN = View()


class EventStore:
    """What each VEN is asked, by event id.

    `clock` gives the first sight of what push brings, which is remembered. `on_change` is called
    after every change. Safe for several threads.
    """

    def __init__(
        self,
        *,
        database: Database,
        reader: EventReader,
        clock: Callable[[], datetime],
        log_once: LogOnce,
        on_change: Callable[[], None],
    ) -> None:
        self._on_change = on_change
        self._log_once = log_once
        self._database = database
        self._reader = reader
        self._clock = clock
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._numbers = itertools.count(1)
        self._newest_poll: dict[str, int] = {}
        """By VEN: the number of the last poll that it has followed."""
        self._gone: OrderedDict[tuple[str, str], None] = OrderedDict()
        """What the VTN no longer has: a late notification does not bring it back."""
        self._views: dict[str, View] | None = None
        self._seen: dict[str, Sequence[SeenEvent]] = {}
        self.revision = 0
        """Rises with every change."""

    def begin_poll(self) -> int:
        """The number of a poll that begins now."""
        return next(self._numbers)

    def views(self, ven_names: Sequence[str]) -> list[View]:
        """What each of these VENs knows."""
        with self._lock:
            known = self._known()
            return [known.get(name, NOTHING_KNOWN) for name in ven_names]

    def keep(self, asked: Sequence[Asked], *, poll: int) -> list[str]:
        """Follow what the poll of this number found, in one transaction; the VENs of whom it is
        followed.

        What push brought meanwhile may be newer; what it found is not followed where a poll that
        began later was, or where the VEN has left the fleet since. DatabaseError: nothing has
        changed.
        """
        with self._writing:
            changed: dict[str, tuple[View, View]] = {}
            followed: list[str] = []
            with self._lock:
                known = self._known()
                for each in asked:
                    name = each.ven_name
                    if self._newest_poll.get(name, 0) > poll:
                        continue
                    followed.append(name)
                    latest, now = known.get(name, NOTHING_KNOWN), each.now
                    if now is latest:
                        continue
                    if latest is not each.before:
                        now = _with_what_push_brought(each, latest)
                    if now == latest:
                        known[name] = now  # of another list, which says the same
                    else:
                        changed[name] = latest, now
            if changed:
                self._keep(changed)
            with self._lock:
                self._newest_poll.update(dict.fromkeys(followed, poll))
            return followed

    def apply_pushed(self, pushed: Sequence[tuple[str, Event]]) -> Sequence[PushOutcome]:
        """Take events that push brought to VENs, in one write; each with the outcome.

        Taken is what is new, or newer by the VTN's clock, and meant for the VEN by the targets that
        it is known to have. What was gone before and what cannot be compared is UNCLEAR: only the
        VTN can say (openadr.md, 'Push').
        """
        with self._writing:
            seen_now = self._clock()
            before: dict[str, View] = {}
            events: dict[str, Mapping[str, KeptEvent]] = {}
            alike: dict[tuple[int, int], Mapping[str, KeptEvent]] = {}
            """What VENs have after an event, by what they had before, and the event."""
            outcomes = []
            for ven_name, event in pushed:
                if ven_name not in before:
                    before[ven_name] = self._view(ven_name)
                    events[ven_name] = before[ven_name].events
                own = events[ven_name]
                kept = own.get(event.event_id)
                outcome = self._judged(ven_name, event, kept, before[ven_name].granted)
                if outcome is PushOutcome.TAKEN:
                    now = alike.get((id(own), id(event)))
                    if now is None and (body := body_of(event)) is not None:
                        taken = self._reader.kept(event, body, kept, seen_now)
                        now = alike[id(own), id(event)] = {**own, event.event_id: taken}
                    if now is None:
                        outcome = PushOutcome.UNCLEAR  # it is nested too deep
                    else:
                        events[ven_name] = now
                outcomes.append(outcome)
            changed = {
                name: (view, replace(view, events=events[name], listed=None))
                for name, view in before.items()
                if events[name] != view.events
            }
            if changed:
                self._keep(changed)
            return outcomes

    def _judged(
        self, ven_name: str, event: Event, kept: KeptEvent | None, granted: Granted
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

    def _keep(self, changed: Mapping[str, tuple[View, View]]) -> None:
        """Store what changed from the first view to the second, by VEN; then follow it."""
        with self._database.write() as connection:
            store_views(connection, ((name, *views) for name, views in changed.items()))
        with self._lock:
            for ven_name, (before, now) in changed.items():
                self._known()[ven_name] = now
                self._seen.pop(ven_name, None)
                for event_id in now.gone_since(before):
                    self._remember_gone(ven_name, event_id)
            self.revision += 1
        self._on_change()
        for ven_name, (before, now) in changed.items():
            self._tell_changes(ven_name, before, now)

    def of_ven(self, ven_name: str) -> Sequence[SeenEvent]:
        """The events of one VEN as they were last seen."""
        with self._lock:
            seen = self._seen.get(ven_name)
            if seen is None:
                view = self._known().get(ven_name, NOTHING_KNOWN)
                seen = self._seen[ven_name] = view.seen_by(ven_name)
            return seen

    def ven_names(self) -> list[str]:
        """The VENs that know anything of their VTN."""
        with self._lock:
            return list(self._known())

    def forget(self, ven_name: str) -> None:
        """A VEN that is no longer in the fleet; a poll that is under way does not bring it back."""
        with self._writing:
            with self._database.write() as connection:
                forget_ven(connection, ven_name)
            with self._lock:
                self._known().pop(ven_name, None)
                self._seen.pop(ven_name, None)
                self._newest_poll[ven_name] = self.begin_poll()
                self.revision += 1
            self._on_change()

    def _view(self, ven_name: str) -> View:
        with self._lock:
            return self._known().get(ven_name, NOTHING_KNOWN)

    def _known(self) -> dict[str, View]:
        """All that was stored, read once."""
        if self._views is None:
            with self._database.read() as connection:
                self._views = self._load(connection)
        return self._views

    def _load(self, connection: Connection) -> dict[str, View]:
        same: dict[object, KeptEvent] = {}
        events: dict[str, dict[str, KeptEvent]] = {}
        for row in connection.execute(text("SELECT * FROM event")):
            body, seen_us, had_time = row.body.encode(), row.first_seen_us, bool(row.had_time)
            kept = same.get((body, seen_us, had_time))
            if kept is None:
                try:
                    event = self._reader.shared(read_event(orjson.loads(body)), body)
                except WireError as error:
                    logger.warning("VEN %s: a stored event is left out: %s", row.ven_name, error)
                    continue
                kept = KeptEvent(event, body, from_us(seen_us), had_time)
                same[body, seen_us, had_time] = kept
            events.setdefault(row.ven_name, {})[row.event_id] = kept
        granted = {
            row.ven_name: orjson.loads(row.body)
            for row in connection.execute(text("SELECT ven_name, body FROM ven_view"))
        }
        # VENs that were told the same share it.
        alike: dict[object, Mapping[str, KeptEvent]] = {}
        units: dict[bytes, Units] = {}
        views = {}
        for name in events.keys() | granted.keys():
            own, view = events.get(name, {}), read_view(granted.get(name))
            views[name] = replace(
                view,
                events=alike.setdefault(frozenset(map(id, own.values())), own),
                program_units=units.setdefault(
                    orjson.dumps(view.program_units, option=orjson.OPT_SORT_KEYS),
                    view.program_units,
                ),
            )
        return views

    def _tell_changes(self, ven_name: str, before: View, now: View) -> None:
        for event_id in now.gone_since(before):
            self._tell(ven_name, event_id, "is gone")
        for event_id in now.changed_since(before):
            logger.debug("VEN %s: event %s is new or changed", ven_name, event_id)
            known = before.events.get(event_id)
            if now.events[event_id].is_cancelled and not (known and known.is_cancelled):
                self._tell(ven_name, event_id, "is cancelled")

    def _tell(self, ven_name: str, event_id: str, what: str) -> None:
        """Of each VEN for those who look closely, and once for all VENs of the event."""
        logger.debug("VEN %s: event %s %s", ven_name, event_id, what)
        self._log_once(logger, logging.INFO, f"event {event_id} {what}")


def _with_what_push_brought(asked: Asked, latest: View) -> View:
    """What a poll found, and what push has brought since it began."""
    brought = {
        event_id: event
        for event_id, event in latest.events.items()
        if event != asked.before.events.get(event_id)
        and is_newer(
            event, asked.now.events.get(event_id), was_known=event_id in asked.before.events
        )
    }
    if not brought:
        return asked.now
    return replace(asked.now, events={**asked.now.events, **brought}, listed=None)
