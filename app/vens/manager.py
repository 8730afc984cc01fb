"""VENManager: the fleet's VENs at their VTN."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol, runtime_checkable

from app.events import PushOutcome, SeenEvent, Synced
from app.fleet import (
    VEN,
    Enrolment,
    EnrolmentResult,
    FleetRepository,
    HeldVens,
    LostObjects,
    ResourceUpdates,
    Status,
)
from app.openadr import (
    CredentialsError,
    Event,
    VtnClient,
    VtnError,
    VtnHttp,
    VtnRejected,
    VtnUnauthorised,
)
from app.platform import FanOut, LogOnce, Progress, no_progress
from app.vens.poll_schedule import GONE, PollPlan, changes, state_of
from app.vens.push_trust import PushTrust
from app.vens.removals import Removals

logger = logging.getLogger(__name__)

RETRIES_FOR_S = 1.0
"""How long a task tries held VENs: the others are not to wait for them."""


@runtime_checkable
class EventFeed(Protocol):
    """What knows the events of each VEN."""

    def of_ven(self, ven_name: str) -> Sequence[SeenEvent]:
        """All the events that the VEN now has."""

    def forget(self, ven_name: str) -> None:
        """A VEN that is no longer in the fleet."""

    def apply_pushed(self, pushed: Sequence[tuple[str, Event]]) -> Sequence[PushOutcome]:
        """Take events that push brought to VENs, each with the outcome."""

    def apply_deleted(self, ven_names: Sequence[str], event_id: str) -> Sequence[str]:
        """Push says that an event is gone: the VENs that should ask whether it is."""


class SyncsEvents(Protocol):
    """What asks the VTN what VENs are to do."""

    def __call__(
        self,
        vens: Sequence[VEN],
        *,
        follow: Callable[[Sequence[str]], None],
        anew: Collection[str] = (),
    ) -> Synced: ...


@runtime_checkable
class DeliversReports(Protocol):
    """What builds reports and delivers them."""

    def follow(self, ven_names: Sequence[str]) -> None:
        """From now on, owe what the newest events of these VENs ask for."""

    def deliver(self, client_for: Callable[[str], VtnClient]) -> int:
        """Send what is due; the number of readings that were acknowledged."""

    def waiting(self) -> int:
        """How many readings are owed and not acknowledged."""


class VENManager:
    """Enrols the VENs, keeps their events, and has their readings reported.

    Safe for several threads. What the VTN refuses or does not answer is logged and tried again by
    a later call; only `register_load_ven` raises it. A VEN that fails is held, and the others
    continue (`HeldVens`).
    """

    def __init__(
        self,
        *,
        repository: FleetRepository,
        enrolment: Enrolment,
        client_for: Callable[[str], VtnClient],
        events: EventFeed,
        sync_events: SyncsEvents,
        reports: DeliversReports,
        http: VtnHttp,
        poll_plan: PollPlan,
        push_trust: PushTrust,
        fan_out: FanOut,
        held: HeldVens,
        lost: LostObjects,
        updates: ResourceUpdates,
        removals: Removals,
        log_once: LogOnce,
        monotonic: Callable[[], float],
    ) -> None:
        self._held = held
        self._lost = lost
        self._updates = updates
        self._removals = removals
        self._monotonic = monotonic
        self._poll_plan = poll_plan
        self._push_trust = push_trust
        self._repository = repository
        self._enrolment = enrolment
        self._client_for = client_for
        self._events = events
        self._sync_events = sync_events
        self._reports = reports
        self._http = http
        self._fan_out = fan_out
        self._log_once = log_once
        self._polled: tuple[int, Mapping[str, VEN]] = -1, {}
        """Who they are at which revision of the fleet, by name."""

    @property
    def enrolled(self) -> list[str]:
        """The names of the VENs that are enrolled."""
        return [ven.ven_name for ven in self.vens if ven.status is Status.APPROVED]

    @property
    def polled(self) -> Mapping[str, VEN]:
        """The VENs that the VTN has, by name: those on their way out, too, may owe reports."""
        revision = self._repository.revision()
        known, vens = self._polled
        if revision != known:
            vens = {
                ven.ven_name: ven
                for ven in self.vens
                if ven.status in (Status.APPROVED, Status.REMOVED) and ven.vtn_ven_id is not None
            }
            self._polled = revision, vens
        return vens

    @property
    def vens(self) -> list[VEN]:
        """All VENs of the fleet, by name."""
        return self._repository.vens()

    def register_load_ven(self, ven_name: str) -> VEN:
        """Enrol one VEN and its resources and learn its events; may be repeated at will.

        A VEN that the fleet does not have is added to it. Raises VtnError.
        """
        ven = self._lost.enrol_by_hand(ven_name)
        for error in self._sync([ven.ven_name]).failed.values():
            raise error
        return ven

    def enrol(
        self, *, pending_only: bool = False, progress: Progress = no_progress
    ) -> EnrolmentResult:
        """Enrol the fleet, or what of it is pending; new VENs learn their events at once."""
        vens = self._repository.pending_vens() if pending_only else self._repository.vens()
        if pending_only:  # who is held is tried by `retry_held`
            free = set(self._held.free(ven.ven_name for ven in vens))
            vens = [ven for ven in vens if ven.ven_name in free]
        result = self._enrolment.enrol_all(vens, progress)
        pending = {ven.ven_name for ven in vens if ven.status is Status.PENDING}
        self._sync_each([name for name in result.enrolled if name in pending], "events of new VENs")
        self._say("enrolment", self._not_asked(vens, result))
        self._held.log_changes()
        return result

    def _not_asked(self, vens: Sequence[VEN], result: EnrolmentResult) -> str | None:
        """What an outage left undone, in one line for all VENs."""
        if result.left_undone_by is None:
            return None
        left = len(vens) - len(result.enrolled)
        pending = any(ven.status is Status.PENDING for ven in vens)
        words = "are not enrolled" if pending else "are enrolled, which could not be confirmed"
        return f"{left} VENs {words}: {result.left_undone_by}"

    def heartbeat(self) -> None:
        """One cheap request; log how the VTN and the fleet are; enrol what is pending, or lost;
        tell the VTN what an import changed."""
        summaries = self._repository.summaries()
        enrolled = [
            summary.ven.ven_name for summary in summaries if summary.ven.status is Status.APPROVED
        ]
        asked = enrolled or [summary.ven.ven_name for summary in summaries]
        logger.info(
            "heartbeat: the VTN %s; %d VENs enrolled, %d pending; %d readings waiting",
            self._asked(self._any_of(asked)) if asked else "was not asked",
            len(enrolled),
            sum(summary.ven.status is Status.PENDING for summary in summaries),
            self._reports.waiting(),
        )
        try:
            self.enrol(pending_only=True)
        except CredentialsError as error:
            self._say("credentials", str(error))
        self.retry_held(for_s=RETRIES_FOR_S)
        if not self._http.circuit.is_open:
            self._lost.look()
            self._updates.send()

    def try_vtn(self) -> None:
        """Ask the VTN one cheap question, as any VEN, so that it is known whether it answers."""
        names = self._repository.ven_names()
        if names:
            self._asked(self._any_of(names))

    def _any_of(self, ven_names: Sequence[str]) -> str:
        """One of these, drawn at random: one that is not held, if there is any."""
        return random.choice(self._held.free(ven_names) or ven_names)

    def retry_held(self, *, for_s: float) -> None:
        """Try held VENs whose pause is over: enrol what is pending, learn their events.

        One after the other; after so many seconds no other one is begun.
        """
        ends_s = self._monotonic() + for_s
        due = self._held.due()
        alike = self._alike(due)
        for ven_name in due:
            if self._http.is_stopping or self._monotonic() > ends_s:
                break
            if self._held.claim(ven_name):
                try:
                    self._retry(ven_name, alike.get(ven_name, ()))
                except VtnError:
                    pass  # it is held on, and said where it began
                finally:
                    self._held.give_back(ven_name)  # where it was not tried
        self._held.log_changes()

    def _alike(self, ven_names: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """For each of these VENs that the VTN has, those that are the same client of it."""
        polled = self.polled
        groups: dict[object, list[str]] = {}
        found: dict[str, list[str]] = {}
        for name in ven_names:
            if name in polled:
                with contextlib.suppress(VtnError):  # it has no credentials
                    client = self._client_for(name).identity
                    found[name] = groups.setdefault(client, [])
                    found[name].append(name)
        return found

    def _retry(self, ven_name: str, alike: Sequence[str]) -> None:
        """Those that are the same client of the VTN come back together."""
        if self._repository.is_pending(ven_name):
            self._held.watched(self._enrolment.enrol, str)(ven_name)
        self._sync(list(dict.fromkeys([ven_name, *alike])))

    def _asked(self, ven_name: str) -> str:
        """Ask the VTN as this VEN; the outcome in words."""
        try:
            self._client_for(ven_name).ping()
        except (VtnUnauthorised, VtnRejected) as error:
            return f"refuses VEN {ven_name} ({error})"
        except VtnError as error:
            return f"does not answer ({error})"
        return f"answers in {(self._http.latency_s or 0.0) * 1000:.0f} ms"

    def poll_events(self) -> None:
        """Learn what the VTN asks of every enrolled VEN; where push works, not each time."""
        self._sync_each(self._poll_plan.due(list(self.polled)), "events")

    def poll_asked(self) -> None:
        """Learn what the VTN asks of the VENs that push wants to be asked."""
        asked = set(self._poll_plan.asked())
        self._sync_each([name for name in self.polled if name in asked], "events")

    def take_events(self, pushed: Sequence[tuple[str, Event]]) -> Sequence[PushOutcome]:
        """Take events that push brought to VENs, each with the outcome."""
        known = self.polled
        ours = [change for change in pushed if change[0] in known]  # a VEN may have been removed
        came = dict(zip(map(id, ours), self._events.apply_pushed(ours), strict=True))
        outcomes = [came.get(id(change), PushOutcome.KNOWN) for change in pushed]
        taken = (
            name
            for (name, _), each in zip(pushed, outcomes, strict=True)
            if each is PushOutcome.TAKEN
        )
        self._reports.follow(list(dict.fromkeys(taken)))
        for (ven_name, event), outcome in zip(pushed, outcomes, strict=True):
            self._push_trust.brought(ven_name, state_of(event), first=outcome is PushOutcome.TAKEN)
        return outcomes

    def generate_reports(self) -> int:
        """Deliver every reading that is owed; the number of readings that were acknowledged.

        What is taken out of the fleet goes when nothing of it is owed.
        """
        delivered = self._reports.deliver(self._client_for)
        if not self._http.is_stopping and not self._http.circuit.is_open:
            self._removals.settle()
        return delivered

    def take_gone(self, ven_names: Sequence[str], event_id: str) -> Sequence[PushOutcome]:
        """Push says that an event is gone: UNCLEAR to who has it."""
        asked = self._events.apply_deleted(ven_names, event_id)
        for ven_name in ven_names:
            self._push_trust.brought(ven_name, (event_id, GONE), first=False)
        return [PushOutcome.UNCLEAR if name in asked else PushOutcome.KNOWN for name in ven_names]

    def _sync_each(self, ven_names: Sequence[str], about: str) -> None:
        free = self._held.free(ven_names)
        synced = self._sync(random.sample(free, len(free)))  # neighbours by name may fail together
        left = len(free) - len(synced.names)
        problem = None
        if synced.failed and (left > len(synced.failed) or self._http.circuit.is_open):
            error = next(iter(synced.failed.values()))
            problem = f"the events of {left} VENs could not be refreshed: {error}"
        self._say(about, problem)
        self.retry_held(for_s=RETRIES_FOR_S)

    def _sync(self, ven_names: Sequence[str]) -> Synced:
        """Learn what the VTN asks of these VENs, and owe the reports that it asks for."""
        polled = self.polled
        vens = {name: polled[name] for name in ven_names if name in polled}
        for name in ven_names:
            if name not in vens:
                self._held.give_back(name)
                if self._repository.ven(name) is None:
                    self._held.forget(name)  # it has left the fleet
        polls = self._poll_plan.begins(list(vens))
        asked = [name for name, poll in polls.items() if poll.asked]
        before = {name: self._states(name) for name, poll in polls.items() if poll.judges}
        synced = Synced()
        try:
            synced = self._sync_events(list(vens.values()), follow=self._reports.follow, anew=asked)
        finally:
            done = set(synced.names)
            self._poll_plan.ask(name for name in asked if name not in done)
        self._poll_plan.ends(
            {name: polls[name] for name in synced.names},
            {
                name: changes(known, self._states(name))
                for name, known in before.items()
                if name in done
            },
        )
        return synced

    def _states(self, ven_name: str) -> Mapping[str, str]:
        return dict(state_of(seen.event) for seen in self._events.of_ven(ven_name))

    def _say(self, about: str, problem: str | None) -> None:
        self._log_once.problem(logger, about, problem, recovered=f"{about}: recovered")
