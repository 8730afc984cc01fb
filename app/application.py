"""The order in which things that run begin and end."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from dependency_injector import containers, providers

from app.fleet import FleetRepository, sample_fleet
from app.metering import MeterDataSimulator
from app.observability import Tracing
from app.openadr import CredentialsError, VtnHttp
from app.ops import Health
from app.platform import (
    Database,
    Endpoint,
    MakeBar,
    PeriodicThread,
    Server,
    Shutdown,
    SystemdNotifier,
    no_bar,
)
from app.scheduling import TaskScheduler
from app.vens import VENManager

logger = logging.getLogger(__name__)

STARTUP_TASKS = ("poll_events", "simulate_meterdata", "generate_reports")
"""What runs once, in this order, before the schedule begins."""
MAX_STARTUP_RUN_S = 10.0
"""How long the schedule waits for the first run of a task: a backlog may take hours."""
WAITS_LONG_S = 2.0
"""For the database, so that a stop says so."""
MIN_CLOSING_S = 1.0
INITIAL_RETRY_S = 1.0
MAX_RETRY_S = 8.0


class Ops(Server, Protocol):
    """What people and machines look at, or nothing."""

    def open_page(self) -> None: ...


class Actuation(Server, Protocol):
    """What gives orders to devices."""

    def dispatch_once(self) -> None: ...

    def release_all(self, *, timeout_s: float) -> None: ...


class Owner(Protocol):
    """What lets one process run on a database."""

    former_end: datetime | None

    @property
    def epoch(self) -> int | None: ...

    def acquire(self) -> None: ...

    def database_opened(self) -> None: ...

    def release(self) -> None: ...


class Application:
    """Starts and stops what runs. Everything it holds works without it, too.

    `sample_size`: (VENs, resources per VEN) for an empty fleet, or None for no sample.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        owner: Owner,
        database: Database,
        vtn: Server,
        push: Server,
        intake: Server,
        actuation: Actuation,
        ops: Ops,
        health: Health,
        guard: PeriodicThread,
        lock_watch: PeriodicThread,
        vtn_watch: PeriodicThread,
        notifier: SystemdNotifier,
        http: VtnHttp,
        repository: FleetRepository,
        ven_manager: VENManager,
        take_over: Callable[[datetime], int],
        simulator: MeterDataSimulator,
        scheduler: TaskScheduler,
        shutdown: Shutdown,
        tracing: Tracing,
        sample_size: tuple[int, int] | None,
        vtn_base_url: str,
        settings_source: str,
        verifies_tls: bool,
        bar: MakeBar = no_bar,
    ) -> None:
        self._endpoint = endpoint
        self._owner = owner
        self._database = database
        self._vtn = vtn
        self._push = push
        self._intake = intake
        self._actuation = actuation
        self._ops = ops
        self._health = health
        self._guard = guard
        self._lock_watch = lock_watch
        self._vtn_watch = vtn_watch
        self._notifier = notifier
        self._http = http
        self._repository = repository
        self._ven_manager = ven_manager
        self._take_over = take_over
        self._simulator = simulator
        self._scheduler = scheduler
        self._shutdown = shutdown
        self._tracing = tracing
        self._sample_size = sample_size
        self._vtn_base_url = vtn_base_url
        self._settings_source = settings_source
        self._verifies_tls = verifies_tls
        self._bar = bar
        self._start_ended = threading.Event()
        self._start_ended.set()
        self._later: threading.Thread | None = None
        self.failed: list[str] = []
        """The tasks whose run by `start` failed, and 'enrolment' if a VEN could not be enrolled."""

    def start(self, *, once: bool = False) -> None:
        """Database, VTN, sample fleet, enrolment, first runs, schedule; ends early when stopped.

        `once`: every enabled task runs once, devices are given their orders once, and no schedule
        begins.
        """
        logger.info(
            "VTN %s; database %s; settings from %s",
            self._vtn_base_url,
            self._database.name,
            self._settings_source,
        )
        if not self._verifies_tls:
            logger.warning("VTN__VERIFY_TLS=false: whoever answers is taken for the VTN")
        steps: Sequence[Callable[[], object]] = (
            self._endpoint.listen,
            self._owner.acquire,
            lambda: self._endpoint.open(self._owner.epoch),
            self._database.open,
            self._owner.database_opened,
            self._hold_what_may_still_come,
            self._simulator.initialize_resources,  # a damaged profile file is known here
            self._guard.start,
            self._lock_watch.start,
            self._ops.start,
            *(() if once else (self._intake.start,)),
            *(() if once else (self._actuation.start,)),
            self._vtn.start,
            self._seed,
            self._count_not_metered,
            self._enrol,
            lambda: self._run_each(
                self._names_of_the_first_runs(), None if once else MAX_STARTUP_RUN_S
            ),
            (lambda: self._run_each(self._names_of_the_others())) if once else self._schedule,
            *((self._actuation.dispatch_once,) if once else ()),
            self._vtn_watch.start,
            *(() if once else (self._push.start,)),
            self._be_ready,
            *(() if once else (self._open_page,)),
        )
        self._start_ended.clear()
        try:
            for step in steps:
                if self._shutdown.is_set():
                    return
                step()
        except RuntimeError:
            if not self._shutdown.is_set():  # the scheduler takes no run while it stops
                raise
        finally:
            self._start_ended.set()

    def request_stop(self) -> None:
        """Begin to stop: from here the deadline runs."""
        self._shutdown.set()

    @property
    def stopped_by_failure(self) -> bool:
        """Whether it stops since something went wrong, and not because it was asked to."""
        return self._shutdown.failed

    def _be_ready(self) -> None:
        self._health.started = True
        self._notifier.ready()

    def _open_page(self) -> None:
        """After the first report: it is large, and metering matters more."""
        try:
            self._ops.open_page()
        except Exception:
            logger.exception("the page cannot be shown; everything else continues")

    def wait(self) -> None:
        """Until somebody requests the stop."""
        self._shutdown.wait()

    def stop(self, *, releases_orders: bool = False) -> bool:
        """Schedule, running tasks, deliveries, servers, database; within the deadline.

        `releases_orders`: devices are told that they are their own again, else what they are asked
        runs out. False when something still waited for the VTN or the database and was abandoned:
        it stays owed.
        """
        self._shutdown.set()
        self._health.started = False
        self._notifier.stopping()
        if releases_orders:
            self._actuation.release_all(timeout_s=self._shutdown.remaining_for_work_s() / 2)
        idle = self._scheduler.shutdown(timeout_s=self._shutdown.remaining_for_work_s())
        idle = self._start_ended.wait(self._shutdown.remaining_for_work_s()) and idle
        if self._later is not None:
            self._later.join(self._shutdown.remaining_for_work_s())
        waits_s = self._database.waits_s()
        if waits_s >= WAITS_LONG_S:
            logger.warning(
                "stopping: the database %s has not answered for %.0f s; what waits for it is left",
                self._database.name,
                waits_s,
            )
        elif not idle:
            logger.warning("stopping: a task still waits for the VTN; what it had stays owed")
        self._push.close()
        self._actuation.close()
        self._intake.close()
        self._vtn_watch.close(min(1.0, self._shutdown.remaining_for_work_s()))
        self._lock_watch.close(min(1.0, self._shutdown.remaining_for_work_s()))
        self._guard.close(min(1.0, self._shutdown.remaining_for_work_s()))
        self._ops.close()
        self._endpoint.close()
        self._vtn.close()
        self._http.close()
        self._tracing.close()
        # A database that is silent may keep whoever closes its connections.
        closing = threading.Thread(target=self._close_database, name="closing", daemon=True)
        closing.start()
        closing.join(max(self._shutdown.remaining_s(), MIN_CLOSING_S))
        logger.info("stopped")
        return idle

    def _close_database(self) -> None:
        self._owner.release()
        self._database.close()

    def _hold_what_may_still_come(self) -> None:
        """From the process that ran this shard before."""
        if self._owner.former_end is not None:
            count = self._take_over(self._owner.former_end)
            if count:
                logger.info("%d reports were in flight there; they are looked for first", count)

    def _seed(self) -> None:
        if self._sample_size is not None and self._repository.is_empty():
            vens, resources_per_ven = self._sample_size
            sample = sample_fleet(vens=vens, resources_per_ven=resources_per_ven)
            fleet = self._repository.own(sample)
            with self._bar("storing", "resources") as progress:
                count = self._repository.save(fleet, progress)
            logger.info("sample fleet: %d VENs with %d resources", len(fleet), count)

    def _count_not_metered(self) -> None:
        count = self._repository.count_not_metered()
        if count:
            logger.info(
                "%d resources are not metered: their source is none; see METERING__DEFAULT_SOURCE",
                count,
            )

    def _enrol(self) -> None:
        with self._bar("enrolling", "VENs") as progress:
            result = self._ven_manager.enrol(progress=progress)
        vens = len(self._ven_manager.vens)
        self.failed += ["enrolment"] if result.failed else []
        if result.outage is None:
            logger.info("enrolled: %d of %d VENs", len(result.enrolled), vens)
        elif self._repository.pending_vens() and not self._shutdown.is_set():
            logger.warning("enrolment continues when the VTN answers")
            self._later = threading.Thread(target=self._enrol_later, name="enrolment", daemon=True)
            self._later.start()

    def _enrol_later(self) -> None:
        """Again and again, with back-off, until the VTN has answered."""
        delay_s = INITIAL_RETRY_S
        while not self._shutdown.wait(delay_s * random.uniform(0.5, 1.0)):
            try:
                result = self._ven_manager.enrol(pending_only=True)
            except CredentialsError as error:
                logger.warning("enrolment is left to the heartbeat: %s", error)
                return
            if result.outage is None:
                logger.info("enrolled: %d VENs, now that the VTN answers", len(result.enrolled))
                return
            delay_s = min(delay_s * 2, MAX_RETRY_S)

    def _names_of_the_first_runs(self) -> list[str]:
        enabled = {job.name for job in self._scheduler.get_jobs()}
        return [name for name in STARTUP_TASKS if name in enabled]

    def _names_of_the_others(self) -> list[str]:
        return [job.name for job in self._scheduler.get_jobs() if job.name not in STARTUP_TASKS]

    def _run_each(self, names: Sequence[str], timeout_s: float | None = None) -> None:
        """One after the other; after so long, the next one starts beside it."""
        for name in names:
            if self._shutdown.is_set():
                return
            try:
                succeeded = self._scheduler.run_now(name).result(timeout_s)
            except TimeoutError:
                logger.info("task %s is still running while the schedule begins", name)
                continue
            if not succeeded:
                self.failed.append(name)

    def _schedule(self) -> None:
        self._scheduler.start()
        logger.info(
            "schedule: %s",
            "; ".join(f"{job.name} {job.schedule}" for job in self._scheduler.get_jobs())
            or "no task is enabled",
        )


class ApplicationContainer(containers.DeclarativeContainer):
    """What begins and ends, taken from its rooms."""

    platform = providers.DependenciesContainer()
    vtn = providers.DependenciesContainer()
    openadr = providers.DependenciesContainer()
    fleet = providers.DependenciesContainer()
    metering = providers.DependenciesContainer()
    intake = providers.DependenciesContainer()
    actuation = providers.DependenciesContainer()
    delivery = providers.DependenciesContainer()
    vens = providers.DependenciesContainer()
    push = providers.DependenciesContainer()
    scheduling = providers.DependenciesContainer()
    supervision = providers.DependenciesContainer()
    ops = providers.DependenciesContainer()

    application = providers.ThreadSafeSingleton(
        Application,
        endpoint=platform.endpoint,
        owner=platform.owner,
        database=platform.database,
        vtn=vtn.server,
        push=push.service,
        intake=intake.service,
        actuation=actuation.service,
        ops=ops.server,
        health=ops.health,
        guard=supervision.guard,
        lock_watch=supervision.lock_watch,
        vtn_watch=supervision.vtn_watch,
        notifier=platform.notifier,
        http=openadr.http,
        repository=fleet.repository,
        ven_manager=vens.manager,
        take_over=delivery.takeover,
        simulator=metering.simulator,
        scheduler=scheduling.scheduler,
        shutdown=platform.shutdown,
        tracing=platform.tracing,
        sample_size=platform.settings.provided.sample_size,
        vtn_base_url=platform.settings.provided.vtn.url,
        settings_source=platform.settings.provided.source,
        verifies_tls=platform.settings.provided.vtn.verifies_tls,
        bar=platform.bar,
    )
