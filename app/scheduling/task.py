"""One task and what is known of its runs: the wrapper that every run goes through."""

from __future__ import annotations

import functools
import inspect
import logging
import threading
import time
import traceback
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

from app.observability import Histogram, log_context
from app.platform import LogOnce
from app.scheduling.config import SchedulerConfig

logger = logging.getLogger(__name__)


KEPT_RUNS = 60
"""Of each task, to be looked at."""
MAX_TRACEBACK_CHARACTERS = 20_000
"""Characters."""


@dataclass(frozen=True, kw_only=True)
class TaskRun:
    """A run that ended."""

    started: datetime
    duration_s: float
    error: str | None
    """In one line; None: it succeeded."""


class JobInfo(TypedDict):
    """A task and its runs as plain data."""

    name: str
    schedule: str
    """In words."""
    paused: bool
    running: bool
    runs: int
    """Runs that ended, well or not."""
    failures: int
    """Runs that ended with an exception."""
    skipped: int
    """Starts that fell due while the last run was still going."""
    missed: int
    """Starts that fell due too long ago to be run one by one, and became part of a later run."""
    running_for_s: float | None
    """How long the run under way has been going; None while there is none."""
    lateness_s: float | None
    """How long after the planned time the last run started; None before the first planned run."""
    last_start: datetime | None
    next_start: datetime | None
    last_duration_s: float | None
    last_error: str | None
    """The last failure in one line; it stays after a success, beside the count of failures."""


class Task:
    """A bound function with its counters. At most one run at a time, whoever starts it.

    `clock` returns an aware UTC datetime; `await_` runs an awaitable to its end and returns its
    result, which is how a coroutine function is run like any other. Errors of the types `expected`
    say all in their one line; others are logged with their traceback.
    """

    def __init__(
        self,
        config: SchedulerConfig,
        *,
        clock: Callable[[], datetime],
        await_: Callable[[Awaitable[Any]], Any],
        expected: tuple[type[Exception], ...] = (),
    ) -> None:
        self.config = config
        self.name = config.name
        self._clock = clock
        self._await = await_
        self._expected = expected
        self._log_once = LogOnce()
        self._began_s: float | None = None
        self.thread_id: int | None = None
        """Of the thread that runs it now."""
        self._one_run = threading.Lock()
        self._counters = threading.Lock()
        self._runs = self._failures = self._skipped = self._missed = 0
        self._lateness_s: float | None = None
        self._last_start: datetime | None = None
        self._last_duration_s: float | None = None
        self._last_error: str | None = None
        self._history: deque[TaskRun] = deque(maxlen=KEPT_RUNS)
        self._last_traceback = ""
        self.durations_s = Histogram()

    @property
    def running(self) -> bool:
        """Whether a run is going on now."""
        return self._one_run.locked()

    def try_begin(self, planned: Sequence[datetime] = ()) -> bool:
        """Claim the one run; False, and counted as skipped, while another one is going."""
        if self._one_run.acquire(blocking=False):
            return True
        with self._counters:
            self._skipped += max(len(planned), 1)
        logger.warning("task %s: skipped, its last run is still going", self.name)
        return False

    def give_back(self) -> None:
        """End the claim of `try_begin`; `run` does it by itself."""
        self._one_run.release()

    def run(self, planned: Sequence[datetime] = ()) -> bool:
        """Run once, after `try_begin`; True if it succeeded. `planned`: the due times it serves.

        Several due times are one run; the ones before the last are counted as missed.
        """
        started = self._clock()
        began_s = time.perf_counter()
        self.thread_id = threading.get_ident()
        with self._counters:
            self._began_s = began_s
            self._last_start = started
            if planned:
                self._missed += len(planned) - 1
                due = planned[0].astimezone(UTC)
                self._lateness_s = max((started.astimezone(UTC) - due).total_seconds(), 0.0)
        with log_context(task=self.name):
            return self._run(started, began_s)

    def _run(self, started: datetime, began_s: float) -> bool:
        logger.debug("task %s: starts with %s", self.name, _Dependencies(self.config.func))
        error: BaseException | None = None
        try:
            result = self.config.func()
            if inspect.isawaitable(result):
                result = self._await(result)
        except BaseException as raised:  # noqa: BLE001 - even SystemExit must not end the schedule
            error = raised
        duration_s = time.perf_counter() - began_s
        self.thread_id = None
        with self._counters:
            self._began_s = None
            self._runs += 1
            self._last_duration_s = duration_s
            problem = None if error is None else f"{type(error).__name__}: {error}"
            self._history.append(TaskRun(started=started, duration_s=duration_s, error=problem))
            if error is not None:
                self._failures += 1
                self._last_error = problem
                lines = traceback.format_exception(error)
                self._last_traceback = "".join(lines)[-MAX_TRACEBACK_CHARACTERS:]
        self.durations_s.observe(duration_s)
        if isinstance(error, self._expected):
            self._log_once.problem(
                logger,
                self.name,
                str(error),
                line=f"task {self.name}: failed: {error}",
                level=logging.ERROR,
                repeated=logging.DEBUG,
            )
        elif error is not None:
            logger.error("task %s: failed after %.3f s", self.name, duration_s, exc_info=error)
        else:
            self._log_once.problem(logger, self.name, None)
            logger.debug("task %s: returned %.200r in %.3f s", self.name, result, duration_s)
        self.give_back()
        return error is None

    def history(self) -> tuple[Sequence[TaskRun], str]:
        """The last runs, oldest first, and the traceback of the last failure; '' without one."""
        with self._counters:
            return tuple(self._history), self._last_traceback

    def info(self, *, next_start: datetime | None, paused: bool, schedule: str) -> JobInfo:
        """A consistent copy of the counters."""
        with self._counters:
            began_s = self._began_s
            return JobInfo(
                name=self.name,
                schedule=schedule,
                paused=paused,
                running=self.running,
                runs=self._runs,
                failures=self._failures,
                skipped=self._skipped,
                missed=self._missed,
                running_for_s=None if began_s is None else time.perf_counter() - began_s,
                lateness_s=self._lateness_s,
                last_start=self._last_start,
                next_start=next_start,
                last_duration_s=self._last_duration_s,
                last_error=self._last_error,
            )


class _Dependencies:
    """What a partial binds, by parameter and type: values could be secret."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self._func = func

    def __str__(self) -> str:
        if not isinstance(self._func, functools.partial):
            return "nothing bound"
        try:
            signature = inspect.signature(self._func.func)
        except ValueError:
            return "a builtin that names no parameters"
        bound = signature.bind_partial(*self._func.args, **self._func.keywords)
        return ", ".join(
            f"{name}={type(value).__name__}" for name, value in bound.arguments.items()
        )
