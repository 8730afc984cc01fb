"""Finds a VTN that is back soon, lets what waits for it begin at once, and tries held VENs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from app.fleet import HoldsVens
from app.openadr import Circuit
from app.platform import DatabaseError
from app.scheduling import TaskScheduler

logger = logging.getLogger(__name__)
TRIES_WRITES_EVERY_S = 8.0
MAX_PROBES = 8
"""At a time: one that hangs does not keep the next one from finding the VTN."""
RETRIES_FOR_S = 10.0
"""How long a thread goes on to the next held VEN before it ends."""


class TriesVtn(Protocol):
    """The manager of the VENs, for who looks whether the VTN answers."""

    def try_vtn(self) -> None: ...

    def retry_held(self, *, for_s: float) -> None: ...


class Recovery:
    """While the VTN counts as down: tries it when it is time, and runs `tasks` when it is back.

    While it does not: tries VENs that are held when it is time, up to `most_retries` at once.
    `writing`: the tasks that show whether it takes reports again.
    """

    def __init__(
        self,
        *,
        circuit: Circuit,
        writes: Circuit,
        ven_manager: TriesVtn,
        held: HoldsVens,
        most_retries: int,
        scheduler: TaskScheduler,
        tasks: Sequence[str],
        writing: Sequence[str],
        monotonic: Callable[[], float],
    ) -> None:
        self._circuit = circuit
        self._writes = writes
        self._ven_manager = ven_manager
        self._held = held
        self._most_retries = most_retries
        self._scheduler = scheduler
        self._tasks = tasks
        self._writing = writing
        self._monotonic = monotonic
        self._outages = 0
        self._tries_writes_at_s = 0.0
        self.probes: list[threading.Thread] = []
        """Those that may still be under way."""
        self.retries: list[threading.Thread] = []
        """Those that may still try held VENs."""
        self._to_run: list[str] = []

    def __call__(self) -> None:
        """Look; to be called every second."""
        self.probes = [probe for probe in self.probes if probe.is_alive()]
        if self._circuit.probe_due and len(self.probes) < MAX_PROBES:
            probe = threading.Thread(
                target=self._ven_manager.try_vtn, name="vtn-probe", daemon=True
            )
            self.probes.append(probe)
            probe.start()
        if not self._circuit.is_open:
            self._retry_held()
        outages = self._circuit.outages
        if outages != self._outages and not self._circuit.is_open:
            self._outages = outages
            logger.info("the VTN answers again")
            self._to_run = list(self._tasks)
        elif self._writes.probe_due and self._monotonic() >= self._tries_writes_at_s:
            # Only a report can tell whether it takes reports again, if there is one to send.
            self._tries_writes_at_s = self._monotonic() + TRIES_WRITES_EVERY_S
            self._to_run = list(self._writing)
        self._run_tasks()

    def _retry_held(self) -> None:
        """Threads of their own: the others do not wait for VENs that may take long to fail."""
        self.retries = [retry for retry in self.retries if retry.is_alive()]
        for _ in range(min(self._most_retries - len(self.retries), len(self._held.due()))):
            retry = threading.Thread(target=self._retry, name="held-vens", daemon=True)
            self.retries.append(retry)
            retry.start()

    def _retry(self) -> None:
        try:
            self._ven_manager.retry_held(for_s=RETRIES_FOR_S)
        except DatabaseError as error:  # the tasks meet and say it, too
            logger.debug("held VENs are not tried: %s", error)

    def _run_tasks(self) -> None:
        """What is to run; a task that still runs since before runs again when it is done."""
        enabled = {job.name for job in self._scheduler.get_jobs() if not job.paused}
        for name in [name for name in self._to_run if name in enabled]:
            if not self._scheduler.get_job_info(name)["running"]:
                self._scheduler.run_now(name)
                self._to_run.remove(name)
