"""The one place where APScheduler's plan meets a run: lock, counting, lateness and coroutines."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, cast

from apscheduler.executors.base import BaseExecutor, MaxInstancesReachedError

from app.scheduling.task import Task

logger = logging.getLogger(__name__)


class TaskExecutor(BaseExecutor):  # type: ignore[misc]  # APScheduler has no type hints
    """Runs each task on a daemon thread of its own; coroutines on one event loop that stays.

    A thread per run, and not a pool: tasks are few and run at most once at a time, so nothing
    waits for a worker, and a run that hangs cannot hold the interpreter at its exit.
    """

    def __init__(self, task_named: Callable[[str], Task]) -> None:
        super().__init__()
        self._task_named = task_named
        self._under_way: set[Future[bool]] = set()
        self._state = threading.Condition()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awaited: dict[int, asyncio.Task[Any]] = {}
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether it accepts no more runs."""
        return self._closed

    def _do_submit_job(self, job: Any, run_times: Sequence[datetime]) -> None:
        if self.submit(self._task_named(job.id), run_times) is None:
            raise MaxInstancesReachedError(job)
        # The lock is the task's own; APScheduler's count of instances must not fill up.
        self._instances[job.id] -= 1

    def submit(self, task: Task, planned: Sequence[datetime] = ()) -> Future[bool] | None:
        """Begin a run; its future says whether it succeeded. None when one is going already."""
        with self._state:
            if self._closed:
                raise RuntimeError(f"task {task.name!r}: the scheduler was shut down")
            if not task.try_begin(planned):
                return None
            future: Future[bool] = Future()
            self._under_way.add(future)
        thread = threading.Thread(
            target=self._run, args=(task, planned, future), name=f"task-{task.name}", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads: the next start may find one
            task.give_back()
            with self._state:
                self._under_way.discard(future)
            raise
        return future

    def _run(self, task: Task, planned: Sequence[datetime], future: Future[bool]) -> None:
        succeeded = task.run(planned)
        with self._state:
            self._under_way.discard(future)
            self._state.notify_all()
        future.set_result(succeeded)

    def run_awaitable(self, awaitable: Awaitable[Any]) -> Any:
        """Run on the loop that lives as long as the scheduler, and wait for the result."""
        waiting = threading.get_ident()

        async def awaited() -> Any:
            self._awaited[waiting] = cast(asyncio.Task[Any], asyncio.current_task())
            try:
                return await awaitable
            finally:
                del self._awaited[waiting]

        return asyncio.run_coroutine_threadsafe(awaited(), self._event_loop()).result()

    def stack(self, thread_id: int) -> str:
        """Where the run on this thread stands now, a coroutine's chain of awaits included."""
        frame = sys._current_frames().get(thread_id)
        lines = [] if frame is None else traceback.format_stack(frame)
        awaited = self._awaited.get(thread_id)
        if awaited is not None:
            lines = []
            coroutine: Any = awaited.get_coro()
            while (frame := getattr(coroutine, "cr_frame", None)) is not None:
                lines += traceback.format_stack(frame, limit=1)
                coroutine = coroutine.cr_await
        return "".join(lines).rstrip()

    def _event_loop(self) -> asyncio.AbstractEventLoop:
        with self._state:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(
                    target=_serve, args=(self._loop,), name="task-event-loop", daemon=True
                ).start()
            return self._loop

    def shutdown(self, wait: bool = True, timeout_s: float | None = None) -> bool:
        """Accept no more runs and wait for those under way; False if the timeout came first."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        with self._state:
            self._closed = True
            while wait and self._under_way:
                remaining_for_work_s = None if deadline_s is None else deadline_s - time.monotonic()
                if remaining_for_work_s is not None and remaining_for_work_s <= 0:
                    break
                self._state.wait(remaining_for_work_s)
            idle = not self._under_way
            if idle and self._loop is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._loop = None
        return idle


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    try:
        while not _has_run(loop):
            pass  # goes on with what the others wait for
        for left in asyncio.all_tasks(loop):
            left.cancel()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


def _has_run(loop: asyncio.AbstractEventLoop) -> bool:
    """Run until it is stopped; False where a task has raised what ends a loop."""
    try:
        loop.run_forever()
    except (SystemExit, KeyboardInterrupt) as error:
        # The run that raised it has it as its error: it ends nothing else.
        logger.debug("a coroutine raised %s", type(error).__name__)
        return False
    return True
