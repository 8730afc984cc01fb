"""Whether the application is alive, and whether all is well, with reasons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from app.actuation import OrdersOverview
from app.fleet import FleetRepository, HeldVens, LostObjects
from app.intake import SourceStatuses
from app.metering import MeterDataSimulator
from app.openadr import VtnHttp
from app.platform import Database, DatabaseError, PeriodicThread
from app.push import Inbox
from app.readings import ClockCheck
from app.reporting.delivery import DeliveryService, RejectedReports
from app.reporting.retention import Retention
from app.reporting.streams import LossCounters
from app.scheduling import TaskScheduler
from app.supervision import OverdueTasks
from app.vens import PushTrust, Removals

MAX_IDLE_S = 30.0
"""How long the watchdog thread may be idle before the process counts as dead."""
WAITS_LONG_S = 5.0
"""For the database."""
NOT_READY_STORE_SHARE = 0.95
"""Of STORE__MAX_BYTES: what is worth a warning."""


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What is not as it should be, one line each, and what was given up or waits for people."""

    reasons: tuple[str, ...]
    """What concerns the whole: it is not ready."""
    warnings: tuple[str, ...] = ()
    """What concerns single VENs, resources or readings: the others continue."""
    paused_tasks: tuple[str, ...] = ()
    """By hand; what they do is not done meanwhile."""
    counts_known: bool = True
    """Whether the numbers are known; not while the database does not answer."""
    waiting: int = 0
    """Readings that are owed and not acknowledged."""
    store_share: float = 0.0
    """How much of STORE__MAX_BYTES is used."""
    set_aside: int = 0
    """Reports that the VTN refused; `rejected list` shows them."""
    expired_readings: int = 0
    dropped_readings: int = 0
    push: Mapping[str, int] = field(default_factory=dict)
    """For how many VENs it works, and the outcomes of what it brought."""

    @property
    def ready(self) -> bool:
        return not self.reasons


class Health:
    """Looks at the parts when asked; none of them knows it. `waiting` counts readings owed."""

    def __init__(
        self,
        *,
        database: Database,
        repository: FleetRepository,
        http: VtnHttp,
        simulator: MeterDataSimulator,
        delivery: DeliveryService,
        waiting: Callable[[], int],
        scheduler: TaskScheduler,
        retention: Retention,
        rejected_reports: RejectedReports,
        loss_counters: LossCounters,
        overdue_tasks: OverdueTasks,
        watchdog: PeriodicThread,
        held_vens: HeldVens,
        lost_objects: LostObjects,
        removals: Removals,
        clock_check: ClockCheck,
        push_trust: PushTrust,
        inbox: Inbox,
        sources: SourceStatuses,
        orders: OrdersOverview,
    ) -> None:
        self._sources = sources
        self._orders = orders
        self._held_vens = held_vens
        self._lost_objects = lost_objects
        self._removals = removals
        self._clock_check = clock_check
        self._database = database
        self._repository = repository
        self._http = http
        self._simulator = simulator
        self._delivery = delivery
        self._waiting = waiting
        self._scheduler = scheduler
        self._retention = retention
        self._rejected_reports = rejected_reports
        self._loss_counters = loss_counters
        self._overdue_tasks = overdue_tasks
        self._watchdog = watchdog
        self._push_trust = push_trust
        self._inbox = inbox
        self.started = False
        """Set by who starts and stops the application."""

    def alive(self) -> bool:
        """Whether the watchdog thread still runs; if not, the process should be restarted."""
        return self._watchdog.idle_s < MAX_IDLE_S

    def readiness(self) -> Readiness:
        """Started, the VTN answers, room in the store, every task on time; what else to look at."""
        waits_s = self._database.waits_s()
        if waits_s >= WAITS_LONG_S:  # a look would wait, too
            line = f"database {self._database.name}: has not answered for {waits_s:.0f} s"
            return Readiness(reasons=(line,), counts_known=False)
        try:
            return self._look()
        except DatabaseError as error:
            return Readiness(reasons=(str(error),), counts_known=False)

    def _look(self) -> Readiness:
        reasons = [] if self.started else ["startup has not finished"]
        if self._http.circuit.is_open:
            reasons.append(f"the VTN at {self._http.base_url} does not answer")
        elif self._http.writes.is_open:
            reasons.append(f"the VTN at {self._http.base_url} does not accept reports")
        if self._simulator.problem is not None:
            reasons.append(f"the latest readings could not be stored: {self._simulator.problem}")
        share = self._retention.share_used()
        if share >= NOT_READY_STORE_SHARE:
            reasons.append(f"the store of readings has {share:.0%} of STORE__MAX_BYTES")
        reasons += self._overdue_tasks.reasons()
        given_up = self._loss_counters.all()
        return Readiness(
            reasons=tuple(reasons),
            warnings=tuple(self._warnings()),
            paused_tasks=tuple(job.name for job in self._scheduler.get_jobs() if job.paused),
            waiting=self._waiting(),
            store_share=share,
            set_aside=self._rejected_reports.count(),
            expired_readings=given_up.get("expired", 0),
            dropped_readings=given_up.get("dropped", 0),
            push={"vens": self._push_trust.count(), **self._inbox.counts},
        )

    def _warnings(self) -> Iterator[str]:
        yield from self._clock_check.warnings()
        if self._repository.is_empty():
            yield "the fleet is empty; see `fleet import` and FLEET__SEED_SAMPLE"
        pending = self._repository.count_pending_vens()
        if pending:
            yield f"{pending} VENs are not enrolled"
        held = sorted(self._held_vens.problems().items())
        if held:
            (name, problem), others = held[0], len(held) - 1
            more = f" and of {others} more" if others else ""
            yield f"the events of VEN {name}{more} could not be refreshed: {problem}"
        yield from self._sources.warnings()
        yield from self._orders.warnings()
        yield from self._lost_objects.warnings()
        yield from self._removals.warnings()
        reports = self._delivery.blocked
        if reports:
            count = len(reports)
            yield f"{count} report streams are blocked; their readings remain owed: {reports[0]}"
