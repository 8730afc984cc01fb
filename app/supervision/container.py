"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.fleet import HoldsVens
from app.platform import PeriodicThread, port
from app.supervision.guards import ClockGuard, OverdueTasks
from app.supervision.lock_guard import RunLockGuard
from app.supervision.recovery import Recovery


class SupervisionContainer(containers.DeclarativeContainer):
    """Guards of the clock, the tasks, the lock and the VTN, each on a thread of its own."""

    platform = providers.DependenciesContainer()
    scheduler = port()
    circuit = port()
    held_vens = port(HoldsVens)
    ven_manager = port()  # of any make: see `app.platform.ports`
    write_circuit = port()

    overdue_tasks = providers.ThreadSafeSingleton(
        OverdueTasks, scheduler=scheduler, clock=platform.clock, log_once=platform.log_once
    )
    clock_guard = providers.ThreadSafeSingleton(
        ClockGuard, scheduler=scheduler, clock=platform.clock, monotonic=platform.monotonic
    )
    guard = providers.ThreadSafeSingleton(
        PeriodicThread,
        name="guard",
        callbacks=providers.List(clock_guard, overdue_tasks, platform.notifier.provided.alive),
        every_s=2.0,
        shutdown=platform.shutdown,
    )
    lock_watch = providers.ThreadSafeSingleton(
        PeriodicThread,
        name="lock-watch",  # of its own: it may wait for a database that is silent
        callbacks=providers.List(
            providers.Factory(
                RunLockGuard, lost=platform.owner.provided.lost, shutdown=platform.shutdown
            )
        ),
        every_s=2.0,
        shutdown=platform.shutdown,
    )
    recovery = providers.ThreadSafeSingleton(
        Recovery,
        circuit=circuit,
        writes=write_circuit,
        ven_manager=ven_manager,
        held=held_vens,
        most_retries=platform.settings.provided.vtn.most_retries,
        scheduler=scheduler,
        tasks=("generate_reports", "poll_events"),
        writing=("generate_reports",),
        monotonic=platform.monotonic,
    )
    vtn_watch = providers.ThreadSafeSingleton(
        PeriodicThread,
        name="vtn-watch",
        callbacks=providers.List(recovery),
        every_s=1.0,
        shutdown=platform.shutdown,
    )
