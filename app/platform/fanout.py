"""The same work for many VENs, as much of it at a time as the VTN answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from typing import Generic, TypeVar

from app.platform.errors import FailsForAll
from app.platform.shutdown import Shutdown

Item = TypeVar("Item")
Result = TypeVar("Result")
Failure = TypeVar("Failure", bound=Exception)

MIN_WORKERS = 2
"""One waits for the VTN while the other works."""
LOOKS_EVERY_S = 0.02
IDLE_BELOW = 0.85
BUSY_ABOVE = 0.95
"""Of one core, which is all that Python uses at a time."""


class FanOut:
    """Does the same for many VENs, at most `max_workers` at a time, until `shutdown` is set.

    It begins with two workers, and adds one while they leave our own processor idle: then it is
    the VTN that they wait for. How many that came to is remembered. `cpu_s`: what this process has
    used.
    """

    def __init__(
        self,
        *,
        max_workers: int,
        shutdown: Shutdown,
        monotonic: Callable[[], float] = time.monotonic,
        cpu_s: Callable[[], float] = time.process_time,
    ) -> None:
        self.max_workers = max_workers
        self._shutdown = shutdown
        self._monotonic = monotonic
        self._cpu_s = cpu_s
        self._least = min(MIN_WORKERS, max_workers)
        self.workers = self._least
        """How many the next call begins with."""

    def __call__(
        self,
        items: Sequence[Item],
        work: Callable[[Item], Result],
        *,
        failure: type[Failure],
        done: Callable[[], None] = lambda: None,
    ) -> list[tuple[Item, Result | Failure]]:
        """Each item that was tried, with its result or its failure, in the order of the items.

        What is left is not tried after an error that is FailsForAll, or when the application stops.
        Any error that is no `failure` stops no other item, and is raised at the end. `done` is
        called for each item, tried or not.
        """
        if not items:
            return []
        most = min(self.max_workers, len(items))
        crew = _Crew(items, work, done, self._shutdown, failure)
        looked_s, used_s = self._monotonic(), self._cpu_s()
        crew.begin(min(self.workers, most))
        while crew.works(LOOKS_EVERY_S):
            now_s, cpu_s = self._monotonic(), self._cpu_s()
            share = (cpu_s - used_s) / max(now_s - looked_s, 1e-6)
            looked_s, used_s = now_s, cpu_s
            if share < IDLE_BELOW and crew.size < most:
                crew.begin(1)
                self.workers = max(self.workers, crew.size)
            elif share > BUSY_ABOVE:
                self.workers = max(self.workers - 1, self._least)
        if crew.defect is not None:
            raise crew.defect
        return crew.outcomes()


class _Crew(Generic[Item, Result, Failure]):
    """Threads that take one item after the other.

    Plain ones: an executor hands every item over and wakes the one who waits for it, which takes a
    quarter of the time of a small report (see bench/).
    """

    def __init__(
        self,
        items: Sequence[Item],
        work: Callable[[Item], Result],
        done: Callable[[], None],
        shutdown: Shutdown,
        failure: type[Failure],
    ) -> None:
        self._items = items
        self._work = work
        self._done = done
        self._shutdown = shutdown
        self._failure = failure
        self._places: Iterator[int] = iter(range(len(items)))
        self._outcomes: dict[int, Result | Failure] = {}
        self._given_up = threading.Event()
        self.defect: BaseException | None = None
        """The first error that was no failure."""
        self._threads: list[threading.Thread] = []

    @property
    def size(self) -> int:
        """How many have begun."""
        return len(self._threads)

    def begin(self, workers: int) -> None:
        """So many more."""
        for _ in range(workers):
            name = f"vtn-{self.size + 1}"
            context = copy_context()  # what the log is about
            thread = threading.Thread(target=context.run, args=(self._take_each,), name=name)
            self._threads.append(thread)
            self._threads[-1].start()

    def works(self, for_s: float) -> bool:
        """Whether somebody still does after so long; returns at once when nobody does."""
        until_s = time.monotonic() + for_s
        for thread in self._threads:
            thread.join(max(until_s - time.monotonic(), 0.0))
            if thread.is_alive():
                return True
        return False

    def outcomes(self) -> list[tuple[Item, Result | Failure]]:
        return [(self._items[place], self._outcomes[place]) for place in sorted(self._outcomes)]

    def _take_each(self) -> None:
        for place in self._places:  # each comes to one of them
            if not self._given_up.is_set() and not self._shutdown.is_set():
                self._attempt(place)
            self._done()

    def _attempt(self, place: int) -> None:
        try:
            self._outcomes[place] = self._work(self._items[place])
        except self._failure as error:
            self._outcomes[place] = error
            self._give_up_after(error)
        except BaseException as defect:  # noqa: BLE001 - raised to who waits
            self.defect = self.defect or defect
            self._give_up_after(defect)

    def _give_up_after(self, error: BaseException) -> None:
        if isinstance(error, FailsForAll):
            self._given_up.set()
