"""VENManager: the fleet's VENs at their VTN."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from app.fleet.enrolment import Enrolment, EnrolmentResult
from app.fleet.fanout import FanOut
from app.fleet.model import VEN, Status
from app.fleet.poll_plan import GONE, PollPlan, changes, state_of
from app.fleet.progress import Progress, no_progress
from app.fleet.repository import FleetRepository
from app.fleet.seen import SeenEvent, Told
from app.locks import LockPerName
from app.log_context import about
from app.openadr import (
    CredentialsError,
    Event,
    VtnClient,
    VtnError,
    VtnHttp,
    VtnRejected,
    VtnUnauthorised,
    VtnUnavailable,
)

logger = logging.getLogger(__name__)

MOST_FAILURES_TOLD = 10


class EventFeed(Protocol):
    """What knows the events of each VEN."""

    def sync(self, ven: VEN, client: VtnClient) -> Sequence[SeenEvent]:
        """Ask the VTN, remember, and return all the events that the VEN now has."""

    def of_ven(self, ven_name: str) -> Sequence[SeenEvent]:
        """All the events that the VEN now has."""

    def told(self, told: Sequence[tuple[str, Event]]) -> Sequence[Told]:
        """Take events that push brought to VENs, each with what came of it."""

    def told_gone(self, ven_names: Sequence[str], event_id: str) -> Sequence[str]:
        """Push says that an event is gone: the VENs that should ask whether it is."""


class ReportDesk(Protocol):
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
    a later call; only `register_load_ven` raises it.
    """

    def __init__(
        self,
        *,
        repository: FleetRepository,
        enrolment: Enrolment,
        client_for: Callable[[str], VtnClient],
        events: EventFeed,
        reports: ReportDesk,
        http: VtnHttp,
        poll_plan: PollPlan,
        fan_out: FanOut,
    ) -> None:
        self._poll_plan = poll_plan
        self._repository = repository
        self._enrolment = enrolment
        self._client_for = client_for
        self._events = events
        self._reports = reports
        self._http = http
        self._fan_out = fan_out
        self._one_at_a_time = LockPerName()
        self._said_guard = threading.Lock()
        self._said: dict[str, str] = {}

    @property
    def enrolled(self) -> list[str]:
        """The names of the VENs that are enrolled."""
        return [ven.ven_name for ven in self.vens if ven.status is Status.APPROVED]

    @property
    def vens(self) -> list[VEN]:
        """All VENs of the fleet, by name."""
        return self._repository.vens()

    def register_load_ven(self, ven_name: str) -> VEN:
        """Enrol one VEN and its resources and learn its events; may be repeated at will.

        A VEN that the fleet does not have is added to it. Raises VtnError.
        """
        ven = self._enrolment.enrol(ven_name)
        self._sync(ven_name)
        return ven

    def enrol(
        self, *, pending_only: bool = False, progress: Progress = no_progress
    ) -> EnrolmentResult:
        """Enrol the fleet, or what of it is pending; new VENs learn their events at once."""
        vens = self._repository.pending_vens() if pending_only else self._repository.vens()
        result = self._enrolment.enrol_all(vens, progress)
        pending = {ven.ven_name for ven in vens if ven.status is Status.PENDING}
        self._sync_each([name for name in result.enrolled if name in pending], "events of new VENs")
        for ven_name in result.enrolled:
            self._say(f"enrolment of {ven_name}", None)
        refused = {
            name: error
            for name, error in result.failed.items()
            if not isinstance(error, VtnUnavailable)
        }
        for number, (ven_name, error) in enumerate(refused.items()):
            if number == MOST_FAILURES_TOLD:
                logger.warning("and %d VENs more are not enrolled", len(refused) - number)
                break
            self._say(f"enrolment of {ven_name}", f"VEN {ven_name} is not enrolled: {error}")
        self._say("enrolment", self._not_asked(vens, result, len(refused)))
        return result

    def _not_asked(self, vens: Sequence[VEN], result: EnrolmentResult, refused: int) -> str | None:
        """What an outage left undone, in one line for all VENs."""
        if result.unavailable is None:
            return None
        left = len(vens) - len(result.enrolled) - refused
        pending = any(ven.status is Status.PENDING for ven in vens)
        words = "are not enrolled" if pending else "are enrolled, which could not be confirmed"
        return f"{left} VENs {words}: {result.unavailable}"

    def heartbeat(self) -> None:
        """One cheap request; log how the VTN and the fleet are; enrol what is pending."""
        summaries = self._repository.summaries()
        enrolled = [each.ven.ven_name for each in summaries if each.ven.status is Status.APPROVED]
        asked = enrolled or [each.ven.ven_name for each in summaries]
        logger.info(
            "heartbeat: the VTN %s; %d VENs enrolled, %d pending; %d readings waiting",
            self._asked(asked[0]) if asked else "was not asked",
            len(enrolled),
            sum(each.ven.status is Status.PENDING for each in summaries),
            self._reports.waiting(),
        )
        try:
            self.enrol(pending_only=True)
        except CredentialsError as error:
            self._say("credentials", str(error))

    def try_vtn(self) -> None:
        """Ask the VTN one cheap question, so that it is known whether it answers."""
        vens = self.vens
        enrolled = [ven for ven in vens if ven.status is Status.APPROVED]
        if vens:
            self._asked((enrolled or vens)[0].ven_name)

    def _asked(self, ven_name: str) -> str:
        """Ask the VTN as this VEN; what came of it, in words."""
        try:
            self._client_for(ven_name).ping()
        except (VtnUnauthorised, VtnRejected) as error:
            return f"refuses VEN {ven_name} ({error})"
        except VtnError as error:
            return f"does not answer ({error})"
        return f"answers in {(self._http.state.latency_s or 0.0) * 1000:.0f} ms"

    def poll_events(self) -> None:
        """Learn what the VTN asks of every enrolled VEN; where push works, not each time."""
        self._sync_each(self._poll_plan.due(self.enrolled), "events")

    def poll_asked(self) -> None:
        """Learn what the VTN asks of the VENs that push wants to be asked."""
        asked = set(self._poll_plan.asked())
        self._sync_each([name for name in self.enrolled if name in asked], "events")

    def take_events(self, told: Sequence[tuple[str, Event]]) -> Sequence[Told]:
        """Take events that push brought to VENs, each with what came of it."""
        outcomes = self._events.told(told)
        taken = (name for (name, _), each in zip(told, outcomes, strict=True) if each is Told.TAKEN)
        self._reports.follow(list(dict.fromkeys(taken)))
        for (ven_name, event), outcome in zip(told, outcomes, strict=True):
            self._poll_plan.brought(ven_name, state_of(event), first=outcome is Told.TAKEN)
        return outcomes

    def generate_reports(self) -> int:
        """Deliver every reading that is owed; the number of readings that were acknowledged."""
        return self._reports.deliver(self._client_for)

    def take_gone(self, ven_names: Sequence[str], event_id: str) -> Sequence[Told]:
        """Push says that an event is gone: UNCLEAR to who has it."""
        asked = self._events.told_gone(ven_names, event_id)
        for ven_name in ven_names:
            self._poll_plan.brought(ven_name, (event_id, GONE), first=False)
        return [Told.UNCLEAR if name in asked else Told.KNOWN for name in ven_names]

    def _sync_each(self, ven_names: Sequence[str], about: str) -> None:
        outcomes = self._fan_out(ven_names, self._sync)
        errors = [(name, error) for name, error in outcomes if isinstance(error, VtnError)]
        problem = None
        if errors:
            (first, error), more = errors[0], len(ven_names) - len(outcomes) + len(errors) - 1
            others = f" and {more} more" if more else ""
            problem = f"VEN {first}{others}: events are not known anew: {error}"
        self._say(about, problem)

    def _sync(self, ven_name: str) -> None:
        # One at a time, so that no older list of events is followed after a newer one.
        with about(ven=ven_name), self._one_at_a_time(ven_name):
            ven = self._repository.ven(ven_name)
            if ven is not None:
                poll = self._poll_plan.begins(ven_name)
                before = self._states(ven_name)
                try:
                    self._events.sync(ven, self._client_for(ven_name))
                except BaseException:
                    self._poll_plan.ask([ven_name] if poll.asked else [])
                    raise
                self._reports.follow([ven_name])
                self._poll_plan.ends(ven_name, poll, changes(before, self._states(ven_name)))

    def _states(self, ven_name: str) -> Mapping[str, str]:
        return dict(state_of(each.event) for each in self._events.of_ven(ven_name))

    def _say(self, about: str, problem: str | None) -> None:
        """Log a problem when it begins or changes, and its end; not each time it is met."""
        with self._said_guard:
            before = self._said.pop(about, None)
            if problem is not None:
                self._said[about] = problem
        if problem is not None and problem != before:
            logger.warning("%s", problem)
        elif problem is None and before is not None:
            logger.info("%s: well again", about)
