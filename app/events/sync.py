"""Learns what the VTN asks of many VENs, and asks it for no more than that takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from app.events.grants import EventsClient, Grants
from app.events.reader import Asked, EventReader
from app.events.seen import Granted
from app.events.store import EventStore
from app.events.views import View
from app.fleet import VEN, HeldVens
from app.observability import log_context
from app.openadr import SharedReadings, Targets, VtnError
from app.platform import FanOut, LockPerName

T = TypeVar("T")
FEW = 100
"""Of so few VENs the targets are read with every poll: it costs nothing."""
KEEPS_EVERY_S = 1.0
"""What a poll has found waits for the rest of it no longer than this."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A VEN of a poll."""

    ven: VEN
    client: EventsClient

    @property
    def name(self) -> str:
        return self.ven.ven_name


@dataclass(frozen=True, kw_only=True)
class _Group:
    """VENs that are asked for as one: the same client of the VTN, for the same."""

    members: Sequence[Member]
    targets: Targets = frozenset()

    @property
    def names(self) -> list[str]:
        return [member.name for member in self.members]

    @property
    def client(self) -> EventsClient:
        return self.members[0].client


@dataclass(kw_only=True)
class Synced:
    """The outcome of a poll."""

    names: list[str] = field(default_factory=list)
    """The VENs whose events are known now."""
    failed: dict[str, VtnError] = field(default_factory=dict)
    """By VEN, why its events are not; those of whom nothing is said were not asked for."""


class EventSync:
    """Polls VENs; those with the same credentials and the same targets are read for at once.

    Targets are read where `grants` wants it, or where an event that is new is meant for targets
    that are not known; of up to `few` VENs, with every poll. Programs and events are listed for
    every poll, once for each client and set of targets. What fails is held (`held`) and stops no
    others. `ven_locks`: who enrols or removes a VEN has it alone. Safe for several threads.
    """

    def __init__(
        self,
        *,
        store: EventStore,
        reader: EventReader,
        grants: Grants,
        client_for: Callable[[str], EventsClient],
        fan_out: FanOut,
        held: HeldVens,
        ven_locks: LockPerName,
        monotonic: Callable[[], float],
        few: int = FEW,
    ) -> None:
        self._store = store
        self._reader = reader
        self._grants = grants
        self._client_for = client_for
        self._fan_out = fan_out
        self._held = held
        self._ven_locks = ven_locks
        self._monotonic = monotonic
        self._few = few

    def __call__(
        self,
        vens: Sequence[VEN],
        *,
        follow: Callable[[Sequence[str]], None],
        anew: Collection[str] = (),
    ) -> Synced:
        """Ask the VTN for these VENs. `follow` is told whose events are known now, in between, too.

        `anew`: of these, the targets are read whatever their age. DatabaseError.
        """
        poll = _Poll(
            store=self._store, locks=self._ven_locks, follow=follow, monotonic=self._monotonic
        )
        self._grants.doubt(anew)
        members = self._with_targets(poll, self._members(poll, vens))
        unknown = self._listed(poll, members)
        if unknown:  # what is granted to them may be new
            self._grants.doubt(member.name for member in unknown)
            self._listed(poll, self._with_targets(poll, unknown))
        poll.keep()
        return poll.synced

    def _members(self, poll: _Poll, vens: Iterable[VEN]) -> list[Member]:
        members = []
        for ven in vens:
            try:
                members.append(Member(ven=ven, client=self._client_for(ven.ven_name)))
            except VtnError as error:  # it has no credentials
                self._held.failed(ven.ven_name, error)
                poll.synced.failed[ven.ven_name] = error
        return members

    def _with_targets(self, poll: _Poll, members: Sequence[Member]) -> Sequence[Member]:
        """Read the targets that are due; those of whom they are known."""
        due = self._grants.due(member.name for member in members)
        if len(members) <= self._few:
            due = {member.name for member in members if member.name not in poll.read}
        views = self._store.views([member.name for member in members])
        for member, view in zip(members, views, strict=True):
            poll.granted.setdefault(member.name, view.granted)
        if not due:
            return members
        single: list[_Group] = []
        several: list[_Group] = []
        for alike in _grouped(members, lambda member: member.client.identity):
            own = [member for member in alike if member.name in due]
            if len(own) > 1 and self._grants.may_read_of_all(own[0].client):
                several.append(_Group(members=own))
            else:
                single += [_Group(members=[member]) for member in own]
        read_lists = partial(self._read_lists, poll)
        for group, result in self._each(poll, several, read_lists, is_last=False):
            if not isinstance(result, VtnError):
                single += [
                    _Group(members=[member])
                    for member in group.members
                    if member.name not in result
                ]
        self._each(poll, single, partial(self._read_one, poll), is_last=False)
        return [member for member in members if member.name not in due or member.name in poll.read]

    def _read_lists(self, poll: _Poll, group: _Group) -> Collection[str]:
        found = self._grants.read_of_all(
            [member.ven for member in group.members], group.client, poll.granted
        )
        poll.granted.update(found)
        poll.read.update(found)
        return found

    def _read_one(self, poll: _Poll, group: _Group) -> None:
        (member,) = group.members
        # While it is enrolled, it is not missed.
        with self._ven_locks(member.name):
            before = poll.granted[member.name]
            poll.granted[member.name] = self._grants.read(member.ven, member.client, before)
        poll.read.add(member.name)

    def _listed(self, poll: _Poll, members: Sequence[Member]) -> list[Member]:
        """Read programs and events; those of whom a new event has targets that are not theirs."""
        groups = [
            _Group(members=group, targets=poll.granted[group[0].name].all)
            for group in _grouped(
                members, lambda member: (member.client.identity, poll.granted[member.name].all)
            )
        ]
        unknown: list[Member] = []
        for group, result in self._each(poll, groups, partial(self._ask, poll), is_last=True):
            if not isinstance(result, VtnError):
                unknown += [member for member in group.members if member.name in result]
        return unknown

    def _ask(self, poll: _Poll, group: _Group) -> Collection[str]:
        """Of these VENs, those of whom a new event has targets that are not known to be theirs."""
        names = group.names
        views = self._store.views(names)
        listed = self._reader.listed(group.client, group.targets, poll.shared)
        asked = self._reader.asked(
            ((name, view, poll.granted[name]) for name, view in zip(names, views, strict=True)),
            listed,
            group.client,
            poll.shared,
            number=poll.number,
        )
        poll.found(asked)
        if not listed.has_others_than(group.targets):
            return ()
        return {
            each.ven_name
            for each in asked
            if each.ven_name not in poll.read
            and _is_for_others(each.now, each.before, group.targets)
        }

    def _each(
        self, poll: _Poll, groups: Sequence[_Group], work: Callable[[_Group], T], *, is_last: bool
    ) -> list[tuple[_Group, T | VtnError]]:
        def attempt(group: _Group) -> T:
            alone = group.names[0] if len(group.members) == 1 else None
            with nullcontext() if alone is None else log_context(ven=alone):
                return work(group)

        watched = self._held.watched_of_all(attempt, lambda group: group.names, is_last=is_last)
        outcomes = self._fan_out(groups, watched, failure=VtnError)
        for group, error in outcomes:
            if isinstance(error, VtnError):
                poll.synced.failed.update(dict.fromkeys(group.names, error))
        return outcomes


class _Poll:
    """What one poll has found so far. Safe for several threads."""

    def __init__(
        self,
        *,
        store: EventStore,
        locks: LockPerName,
        follow: Callable[[Sequence[str]], None],
        monotonic: Callable[[], float],
    ) -> None:
        self.shared = SharedReadings()
        self.number = store.begin_poll()
        self.granted: dict[str, Granted] = {}
        """By VEN, as it is known now."""
        self.read: set[str] = set()
        """The VENs whose targets were read in this poll."""
        self.synced = Synced()
        self._store = store
        self._locks = locks
        self._follow = follow
        self._monotonic = monotonic
        self._keeping = threading.Lock()
        self._lock = threading.Lock()
        self._waiting: dict[str, Asked] = {}
        """By VEN: what was found last."""
        self._keeps_at_s = monotonic() + KEEPS_EVERY_S

    def found(self, asked: Iterable[Asked]) -> None:
        """What was found of some VENs."""
        with self._lock:
            self._waiting.update((each.ven_name, each) for each in asked)
        if self._monotonic() >= self._keeps_at_s:
            self.keep()

    def keep(self) -> None:
        """Follow what was found until now."""
        with self._keeping:
            self._keeps_at_s = self._monotonic() + KEEPS_EVERY_S
            with self._lock:
                asked, self._waiting = self._waiting, {}
            if not asked:
                return
            free = []
            locks = []
            try:
                for name, each in asked.items():
                    lock = self._locks(name)
                    if lock.acquire(blocking=False):  # else it is enrolled, or removed, just now
                        locks.append(lock)
                        free.append(each)
                names = self._store.keep(free)
                self._follow(names)
            finally:
                for lock in locks:
                    lock.release()
            self.synced.names += names


def _is_for_others(now: View, before: View, targets: Targets) -> bool:
    """Whether an event that is new is meant for others than these targets."""
    return any(
        kept.event.targets and kept.event.targets.isdisjoint(targets)
        for event_id in now.changed_since(before)
        for kept in (now.events[event_id],)
    )


def _grouped(members: Iterable[Member], key: Callable[[Member], object]) -> list[list[Member]]:
    groups: dict[object, list[Member]] = {}
    for member in members:
        groups.setdefault(key(member), []).append(member)
    return list(groups.values())
