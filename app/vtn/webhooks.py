"""Delivers notifications to webhooks: each callback in order, with back-off, or set aside."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from app.vtn.callbacks import CallbackFailed, Callbacks
from app.vtn.wire import Wire

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 8
MOST_WAITING = 1_000
"""Notifications of one callback; what is older makes way."""
TRIES = 6
FIRST_PAUSE_S = 1.0


@dataclass
class _Lane:
    """The notifications of one callback of one subscription."""

    url: str
    token: str | None
    waiting: deque[Wire] = field(default_factory=lambda: deque(maxlen=MOST_WAITING))
    busy: bool = False
    failures: int = 0
    due_s: float = 0.0
    broken: bool = False


class Webhooks:
    """Building it does no I/O; its threads begin with the first notification.

    `monotonic_s`: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        callbacks: Callbacks,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._callbacks = callbacks
        self._monotonic_s = monotonic_s
        self._first_pause_s = first_pause_s
        self._changed = threading.Condition()
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._pool: ThreadPoolExecutor | None = None
        self._dispatcher: threading.Thread | None = None
        self._closed = False

    def tell(
        self, subscription_id: str, place: int, url: str, token: str | None, notification: Wire
    ) -> None:
        """Deliver soon. `place`: of the callback among those of its subscription."""
        with self._changed:
            lane = self._lanes.setdefault((subscription_id, place), _Lane(url, token))
            if lane.broken or self._closed:
                return
            lane.waiting.append(notification)
            if self._dispatcher is None:
                self._pool = ThreadPoolExecutor(MOST_AT_ONCE, thread_name_prefix="webhook")
                self._dispatcher = threading.Thread(
                    target=self._dispatch, args=(self._pool,), name="webhooks", daemon=True
                )
                self._dispatcher.start()
            self._changed.notify()

    def forget(self, subscription_id: str) -> None:
        """It was changed or removed: what waits is dropped, and a broken callback counts as new."""
        with self._changed:
            for key in [key for key in self._lanes if key[0] == subscription_id]:
                self._lanes.pop(key).waiting.clear()

    def broken(self) -> list[str]:
        """The callbacks that are set aside."""
        with self._changed:
            return [lane.url for lane in self._lanes.values() if lane.broken]

    def close(self) -> None:
        """Deliver nothing more. May be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._dispatcher is not None:
            self._dispatcher.join(1.0)
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _dispatch(self, pool: ThreadPoolExecutor) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now_s = self._monotonic_s()
                ready = [each for each in self._lanes.values() if each.waiting and not each.busy]
                due = [lane for lane in ready if lane.due_s <= now_s]
                for lane in due:
                    lane.busy = True
                    pool.submit(self._deliver, lane)
                if not due:
                    later = min((lane.due_s - now_s for lane in ready), default=None)
                    self._changed.wait(later)

    def _deliver(self, lane: _Lane) -> None:
        failure: CallbackFailed | None = None
        while failure is None and not self._closed:
            with self._changed:
                if not lane.waiting:
                    break
                notification = lane.waiting[0]
            try:
                self._callbacks.tell(lane.url, lane.token, notification)
            except CallbackFailed as error:
                failure = error
            else:
                with self._changed:
                    lane.failures = 0
                    if lane.waiting and lane.waiting[0] is notification:
                        lane.waiting.popleft()
        with self._changed:
            lane.busy = False
            if failure is not None:
                self._put_off(lane, failure)
            self._changed.notify()

    def _put_off(self, lane: _Lane, failure: CallbackFailed) -> None:
        lane.failures += 1
        if lane.failures < TRIES:
            lane.due_s = self._monotonic_s() + self._first_pause_s * 2 ** (lane.failures - 1)
            return
        lane.broken = True
        lane.waiting.clear()
        logger.warning(
            "VTN: callback %s is set aside until its subscription is written anew: %s",
            lane.url,
            failure,
        )
