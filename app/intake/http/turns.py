"""Bodies of requests, so many at a time as memory and the database are fit for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
from anyio import to_thread
from starlette.requests import Request

from app.intake.errors import RequestRefused
from app.intake.http.answers import RETRY_AFTER
from app.intake.http.bodies import MAX_BODY_BYTES
from app.platform import bounded_body

MAX_AT_ONCE = 2
"""Bodies that are read at a time; others wait."""
MAX_BODIES = 32
"""That are in memory at a time; who comes beyond waits with his."""
MAX_WAITING = 1_000
"""Who comes beyond is asked to come later."""
WAITS_S = 60.0
"""For his turn; then he is asked to come later."""
BODY_S = 30.0
"""That a body may take."""
T = TypeVar("T")


class Turns:
    """Work on threads, a few at a time. Used by one event loop.

    `at_once`: more than a few where work waits for others. `max_body_bytes`: of more, four times as
    much is read, or who sends does not see the answer.
    """

    def __init__(self, *, max_body_bytes: int = MAX_BODY_BYTES, at_once: int = MAX_AT_ONCE) -> None:
        self._max_body_bytes = max_body_bytes
        self._readers = anyio.CapacityLimiter(at_once)
        self._bodies = anyio.Semaphore(MAX_BODIES)
        self._waiting = 0

    async def with_body(self, request: Request, work: Callable[[bytes], T]) -> T:
        """What comes of its body. RequestRefused: 408, 413, 429."""
        async with self._place():
            try:
                with anyio.fail_after(BODY_S):
                    body = await bounded_body(
                        request.stream(),
                        max_bytes=self._max_body_bytes,
                        max_read_bytes=4 * self._max_body_bytes,
                    )
            except TimeoutError:
                raise RequestRefused(408, f"the body took longer than {BODY_S:.0f} s") from None
            if body is None:
                raise RequestRefused(413, f"the body is more than {self._max_body_bytes >> 20} MiB")
            return await self._in_turn(lambda: work(body))

    async def do(self, work: Callable[[], T]) -> T:
        """What comes of it. RequestRefused: 429."""
        async with self._place():
            return await self._in_turn(work)

    async def _in_turn(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._readers)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        """Among those whose bodies are in memory."""
        if self._waiting >= MAX_WAITING:
            raise _too_many()
        self._waiting += 1
        try:
            with anyio.move_on_after(WAITS_S) as waiting:
                await self._bodies.acquire()
            if waiting.cancelled_caught:
                raise _too_many()
            try:
                yield
            finally:
                self._bodies.release()
        finally:
            self._waiting -= 1


def _too_many() -> RequestRefused:
    return RequestRefused(429, "too many requests at a time", RETRY_AFTER)
