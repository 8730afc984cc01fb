"""Learns what the VTN asks of many VENs, and asks it for no more than that takes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from app.events.grants import Grants
from app.events.ports import EventsClient
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
WAITS_S = 10.0
"""For a VEN that somebody else has, at the end of a poll."""


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
    others. `ven_locks`: who enrols or removes a VEN has it alone; it is waited for, for `waits_s`.
    Safe for several threads.
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
        waits_s: float = WAITS_S,
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
        self._waits_s = waits_s

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
        names = [ven.ven_name for ven in vens]
        poll = _Poll(
            store=self._store,
            grants=self._grants,
            locks=self._ven_locks,
            follow=follow,
            monotonic=self._monotonic,
            waits_s=self._waits_s,
            # As it is before anything is read: what push brings from now on may be newer.
            before=dict(zip(names, self._store.views(names), strict=True)),
        )
        self._grants.doubt(anew)
        members = self._with_targets(poll, self._members(poll, vens))
        unknown = self._listed(poll, members)
        if unknown:  # what is granted to them may be new
            self._grants.doubt(member.name for member in unknown)
            self._listed(poll, self._with_targets(poll, unknown))
        poll.keep(is_last=True)
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
        if not due:
            return members
        single: list[_Group] = []
        several: list[_Group] = []
        for alike in _grouped(members, lambda member: member.client.identity):
            own = [member for member in alike if member.name in due]
            if own and self._grants.may_read_of_all(own[0].client, due=len(own), of=len(alike)):
                several.append(_Group(members=own))
            else:
                single += [_Group(members=[member]) for member in own]
        read_lists = partial(self._read_lists, poll)
        for group, result in self._each(poll, several, read_lists):
            if not isinstance(result, VtnError):
                single += [
                    _Group(members=[member])
                    for member in group.members
                    if member.name not in result
                ]
        self._each(poll, single, partial(self._read_one, poll))
        return [member for member in members if member.name not in due or member.name in poll.read]

    def _read_lists(self, poll: _Poll, group: _Group) -> Collection[str]:
        kept = {name: poll.before[name].granted for name in group.names}
        found = self._grants.read_of_all(
            [member.ven for member in group.members], group.client, kept
        )
        poll.read.update(found)
        poll.whole.update(found)
        return found

    def _read_one(self, poll: _Poll, group: _Group) -> None:
        (member,) = group.members
        # While it is enrolled, it is not missed.
        with self._ven_locks(member.name):
            kept = poll.before[member.name].granted
            granted, is_whole = self._grants.read(member.ven, member.client, kept)
        poll.read[member.name] = granted
        if is_whole:
            poll.whole.add(member.name)

    def _listed(self, poll: _Poll, members: Sequence[Member]) -> list[Member]:
        """Read programs and events; those of whom a new event has targets that are not theirs."""
        names = [member.name for member in members]
        granted = {
            # Another poll may have read them since this one began.
            name: poll.read.get(name, view.granted)
            for name, view in zip(names, self._store.views(names), strict=True)
        }
        groups = [
            _Group(members=alike, targets=granted[alike[0].name].all)
            for alike in _grouped(
                members, lambda member: (member.client.identity, granted[member.name].all)
            )
        ]
        unknown: list[Member] = []
        for group, result in self._each(poll, groups, partial(self._ask, poll, granted)):
            if not isinstance(result, VtnError):
                unknown += [member for member in group.members if member.name in result]
        return unknown

    def _ask(self, poll: _Poll, granted: Mapping[str, Granted], group: _Group) -> Collection[str]:
        """Of these VENs, those of whom a new event has targets that are not known to be theirs."""
        listed = self._reader.listed(group.client, group.targets, poll.shared)
        asked, failed = self._reader.asked(
            [(name, poll.before[name], granted[name]) for name in group.names],
            listed,
            group.client,
            poll.shared,
        )
        self._held.all_succeeded([each.ven_name for each in asked])
        for name, error in failed.items():
            self._held.failed(name, error)
        poll.synced.failed.update(failed)
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
        self, poll: _Poll, groups: Sequence[_Group], work: Callable[[_Group], T]
    ) -> list[tuple[_Group, T | VtnError]]:
        """Hold those of whom it fails; that it succeeds says nothing yet."""

        def attempt(group: _Group) -> T:
            alone = group.names[0] if len(group.members) == 1 else None
            try:
                with nullcontext() if alone is None else log_context(ven=alone):
                    return work(group)
            except VtnError as error:
                self._held.all_failed(group.names, error)
                raise

        outcomes = self._fan_out(groups, attempt, failure=VtnError)
        for group, error in outcomes:
            if isinstance(error, VtnError):
                poll.synced.failed.update(dict.fromkeys(group.names, error))
        return outcomes


class _Poll:
    """What one poll has found so far. Safe for several threads.

    `before`: what each VEN knew when it began.
    """

    def __init__(
        self,
        *,
        store: EventStore,
        grants: Grants,
        locks: LockPerName,
        follow: Callable[[Sequence[str]], None],
        monotonic: Callable[[], float],
        waits_s: float,
        before: Mapping[str, View],
    ) -> None:
        self._waits_s = waits_s
        self.before = before
        self.shared = SharedReadings()
        self._number = store.begin_poll()
        self.read: dict[str, Granted] = {}
        """By VEN: its targets, where they were read in this poll."""
        self.whole: set[str] = set()
        """Of these, the VENs of whom the VTN shows all that they have enrolled."""
        self.synced = Synced()
        self._store = store
        self._grants = grants
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

    def keep(self, *, is_last: bool = False) -> None:
        """Follow what was found until now, but for VENs that others have just now: they enrol or
        remove them, or poll them, too. At the end these are waited for, one by one."""
        with self._keeping:
            self._keeps_at_s = self._monotonic() + KEEPS_EVERY_S
            with self._lock:
                asked, self._waiting = self._waiting, {}
            free: list[Asked] = []
            busy: list[Asked] = []
            try:
                for each in asked.values():
                    is_free = self._locks(each.ven_name).acquire(blocking=False)
                    (free if is_free else busy).append(each)
                self._follow_all(free)
            finally:
                for each in free:
                    self._locks(each.ven_name).release()
            if not is_last:
                with self._lock:  # unless it was asked for again meanwhile
                    self._waiting = {each.ven_name: each for each in busy} | self._waiting
                return
            for each in busy:
                lock = self._locks(each.ven_name)
                if lock.acquire(timeout=self._waits_s):
                    try:
                        self._follow_all([each])
                    finally:
                        lock.release()

    def _follow_all(self, asked: Sequence[Asked]) -> None:
        if asked:
            names = self._store.keep(asked, poll=self._number)
            self._grants.were_read(self.whole.intersection(names))
            self._follow(names)
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
