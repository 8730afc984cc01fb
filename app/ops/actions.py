"""What an operator may change; each is written down before it is made, with the outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any

from app.fleet import EVERYBODY, THE_VEN, FleetRepository, Participation, SetBy, Status
from app.openadr import BusinessLogic, read_duration
from app.ops.audit import AuditLog
from app.reporting.delivery import RejectedReports
from app.scheduling import TaskScheduler

POLLING = "poll_events"
"""The task that asks for events."""


class OperatorActions:
    """Every method takes first `who` asks. ValueError, VtnError or DatabaseError say why not."""

    def __init__(
        self,
        *,
        scheduler: TaskScheduler,
        repository: FleetRepository,
        rejected_reports: RejectedReports,
        business_logic: Callable[[], BusinessLogic],
        audit: AuditLog,
        participation: Participation,
        clock: Callable[[], datetime],
    ) -> None:
        self._scheduler = scheduler
        self._repository = repository
        self._rejected_reports = rejected_reports
        self._business_logic = business_logic
        self._audit = audit
        self._participation = participation
        self._clock = clock

    def refused(self, who: str) -> None:
        """Somebody gave a wrong token."""
        self._audit.write(who, "give token", "OPS__TOKEN", "refused", {})

    def pause_task(self, who: str, name: str) -> None:
        with self._audit.change(who, "pause task", name):
            self._scheduler.pause_task(name)

    def resume_task(self, who: str, name: str) -> None:
        with self._audit.change(who, "resume task", name):
            self._scheduler.resume_task(name)

    def run_task(self, who: str, name: str) -> Future[bool]:
        """Begins a run; False in the future where one is going already, or it failed."""
        with self._audit.change(who, "run task", name) as led_to:
            run = self._scheduler.run_now(name)
            led_to["begins"] = not (run.done() and not run.result())
            return run

    def change_interval(self, who: str, name: str, seconds: float) -> None:
        """Until the next start, which goes by the settings again."""
        with self._audit.change(who, "change interval of task", name, seconds=seconds):
            self._scheduler.change_interval(name, seconds)

    def suspend(self, who: str, ven_name: str, resource_name: str) -> None:
        """It is no longer metered and reported."""
        with self._audit.change(who, "suspend resource", resource_name, ven=ven_name):
            self._repository.set_status(ven_name, resource_name, Status.SUSPENDED)

    def resume(self, who: str, ven_name: str, resource_name: str) -> None:
        """It is metered again; one that the VTN does not have is enrolled by the next heartbeat."""
        with self._audit.change(who, "resume resource", resource_name, ven=ven_name):
            known = self._repository.resource(ven_name, resource_name)
            approved = known is not None and known.vtn_resource_id is not None
            status = Status.APPROVED if approved else Status.PENDING
            self._repository.set_status(ven_name, resource_name, status)

    def opt_out(
        self,
        who: str,
        ven_name: str,
        resource_name: str = THE_VEN,
        *,
        reason: str = "",
        until: datetime | None = None,
    ) -> None:
        """It takes no part in events, until an operator opts it in. ValueError: `until` is over."""
        if until is not None and until <= self._clock():
            raise ValueError(f"{until:%Y-%m-%d %H:%M} UTC is over")
        with self._audit.change(
            who, "opt out", resource_name or "VEN", ven=ven_name, reason=reason, until=until
        ):
            self._participation.opt_out(
                ven_name, resource_name, set_by=SetBy.OPERATOR, reason=reason, until=until
            )

    def opt_in(self, who: str, ven_name: str, resource_name: str = THE_VEN) -> bool:
        """End what an operator has opted out; False: nothing is. A device ends its own."""
        with self._audit.change(who, "opt in", resource_name or "VEN", ven=ven_name) as led_to:
            led_to["ended"] = ended = self._participation.opt_in(
                ven_name, resource_name, set_by=SetBy.OPERATOR
            )
            return ended

    def release_orders(
        self, who: str, ven_name: str = EVERYBODY, resource_name: str = THE_VEN
    ) -> None:
        """End the orders of a resource, of a VEN or of all at once, and give none until resumed."""
        with self._audit.change(
            who, "release orders", resource_name or ven_name or "of all", ven=ven_name
        ):
            self._participation.release(ven_name, resource_name)

    def resume_orders(
        self, who: str, ven_name: str = EVERYBODY, resource_name: str = THE_VEN
    ) -> int:
        """Give orders again; how many releases that ended."""
        with self._audit.change(
            who, "resume orders", resource_name or ven_name or "of all", ven=ven_name
        ) as led_to:
            led_to["ended"] = ended = self._participation.resume(ven_name, resource_name)
            return ended

    def retry_reports(self, who: str, set_aside_ids: Sequence[int]) -> int:
        """The next delivery sends them again; how many."""
        with self._audit.change(who, "send again", "reports", ids=set_aside_ids) as led_to:
            led_to["reports"] = count = self._rejected_reports.retry(set_aside_ids)
            return count

    def drop_reports(self, who: str, set_aside_ids: Sequence[int]) -> int:
        """Their readings will not reach the VTN; how many."""
        with self._audit.change(who, "drop", "reports", ids=set_aside_ids) as led_to:
            led_to["reports"] = count = self._rejected_reports.drop(set_aside_ids)
            return count

    def send_event(
        self,
        who: str,
        *,
        kind: str,
        value: str,
        duration: str,
        ven_name: str | None,
        priority: int | None,
    ) -> str:
        """As business logic, an event of one interval from now on; its id. The VENs ask at once."""
        asked: dict[str, object] = {
            "value": value,
            "duration": duration,
            "ven": ven_name,
            "priority": priority,
        }
        with self._audit.change(who, "send event", kind, **asked) as led_to:
            read_duration(duration)
            made: Any = self._business_logic().send(
                kind=kind,
                value=value,
                start=self._clock(),
                duration=duration,
                ven_name=ven_name,
                program_name=None,
                priority=priority,
            )
            led_to["event"] = event_id = str(made["id"])
        self._look_for_events()
        return event_id

    def cancel_event(self, who: str, event_id: str) -> None:
        """As business logic: its VENs go back to what they did."""
        with self._audit.change(who, "cancel event", event_id):
            self._business_logic().cancel(event_id)
        self._look_for_events()

    def _look_for_events(self) -> None:
        """Where the VENs ask at all."""
        if POLLING in {job.name for job in self._scheduler.get_jobs()}:
            self._scheduler.run_now(POLLING)
