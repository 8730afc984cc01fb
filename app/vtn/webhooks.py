"""Delivers notifications to webhooks: each callback in order, with back-off, or set aside."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

from app.vtn.errors import CallbackFailed
from app.vtn.wire import Wire

logger = logging.getLogger(__name__)

MAX_AT_ONCE = 16
MAX_AT_ONCE_OF_A_CLIENT = 2
MAX_FAILING_AT_ONCE = MAX_AT_ONCE // 2
"""Of callbacks that failed last time: they may hang, and leave the rest to those that answer."""
MAX_WAITING = 1_000
"""Notifications of one callback; what is older makes way."""
TRIES = 6
INITIAL_PAUSE_S = 1.0
ASKS_BROKEN_EVERY_S = 300.0
ENDS_WITHIN_S = 1.0


@dataclass(eq=False)
class _Lane:
    """The notifications of one callback of one subscription."""

    client_id: str
    url: str
    token: str | None
    waiting: deque[Wire] = field(default_factory=lambda: deque(maxlen=MAX_WAITING))
    failures: int = 0
    due_s: float = 0.0

    @property
    def host(self) -> str:
        """Of the URL, which may hold secrets."""
        return str(urlsplit(self.url).hostname)

    @property
    def is_broken(self) -> bool:
        """It is set aside: of what it is told the newest is kept, to try it with now and then."""
        return self.failures >= TRIES


class TellsCallbacks(Protocol):
    """How a callback is told."""

    def tell(self, url: str, token: str | None, notification: Wire) -> None: ...


class WebhookDelivery:
    """Building it does no I/O; its threads begin with the first notification.

    `monotonic_s`: a clock in seconds that never goes back.
    """

    def __init__(
        self,
        callbacks: TellsCallbacks,
        *,
        monotonic_s: Callable[[], float] = time.monotonic,
        first_pause_s: float = INITIAL_PAUSE_S,
        asks_broken_every_s: float = ASKS_BROKEN_EVERY_S,
    ) -> None:
        self._callbacks = callbacks
        self._monotonic_s = monotonic_s
        self._first_pause_s = first_pause_s
        self._asks_broken_every_s = asks_broken_every_s
        self._changed = threading.Condition()
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._busy: set[_Lane] = set()
        self._dispatcher: threading.Thread | None = None
        self._closed = False

    def tell(
        self,
        subscription_id: str,
        place: int,
        *,
        client_id: str,
        url: str,
        token: str | None,
        notification: Wire,
    ) -> None:
        """Deliver soon. `place`: of the callback among those of its subscription."""
        with self._changed:
            if self._closed:
                return
            key = subscription_id, place
            if key not in self._lanes:
                self._lanes[key] = _Lane(client_id, url, token)
            lane = self._lanes[key]
            if lane.is_broken:
                lane.waiting.clear()
            lane.waiting.append(notification)
            if self._dispatcher is None:
                self._dispatcher = threading.Thread(
                    target=self._dispatch, name="webhooks", daemon=True
                )
                self._dispatcher.start()
            self._changed.notify()

    def forget(self, subscription_id: str) -> None:
        """It was changed or removed: what waits is dropped, and a broken callback counts as new."""
        with self._changed:
            for key in [key for key in self._lanes if key[0] == subscription_id]:
                self._lanes.pop(key).waiting.clear()

    def close(self) -> None:
        """Begin no delivery any more; those under way have a moment. May be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy, ENDS_WITHIN_S)
        if self._dispatcher is not None:
            self._dispatcher.join(ENDS_WITHIN_S)

    def _dispatch(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now_s = self._monotonic_s()
                lane = self._next(now_s)
                if lane is None:
                    later = [call.due_s - now_s for call in self._ready() if call.due_s > now_s]
                    self._changed.wait(min(later, default=None))
                    continue
                self._busy.add(lane)
                notification = lane.waiting[0]
            # A thread for each: it may hang, and may not hold up the end of the process.
            threading.Thread(
                target=self._deliver, args=(lane, notification), name="webhook", daemon=True
            ).start()

    def _ready(self) -> list[_Lane]:
        return [lane for lane in self._lanes.values() if lane.waiting and lane not in self._busy]

    def _next(self, now_s: float) -> _Lane | None:
        """Of those whose turn it is, the one that has waited longest."""
        if len(self._busy) >= MAX_AT_ONCE:
            return None
        failing = sum(call.failures > 0 for call in self._busy)
        busy = Counter(call.client_id for call in self._busy)
        may = (
            call
            for call in self._ready()
            if call.due_s <= now_s
            and busy[call.client_id] < MAX_AT_ONCE_OF_A_CLIENT
            and (call.failures == 0 or failing < MAX_FAILING_AT_ONCE)
        )
        return min(may, key=lambda call: call.due_s, default=None)

    def _deliver(self, lane: _Lane, notification: Wire) -> None:
        failure: Exception | None = None
        try:
            self._callbacks.tell(lane.url, lane.token, notification)
        except CallbackFailed as error:
            failure = error
        except Exception as error:
            logger.exception("VTN: a defect, met by a callback at %s", lane.host)
            failure = error
        with self._changed:
            self._busy.discard(lane)
            lane.due_s = self._monotonic_s()
            if failure is not None:
                self._put_off(lane, failure)
            else:
                was_broken, lane.failures = lane.is_broken, 0
                if was_broken:
                    logger.info("VTN: a callback at %s answers again", lane.host)
                if lane.waiting and lane.waiting[0] is notification:
                    lane.waiting.popleft()
            self._changed.notify_all()

    def _put_off(self, lane: _Lane, failure: Exception) -> None:
        was_broken = lane.is_broken
        lane.failures += 1
        if not lane.is_broken:
            lane.due_s += self._first_pause_s * 2 ** (lane.failures - 1)
            return
        lane.due_s += self._asks_broken_every_s
        while len(lane.waiting) > 1:
            lane.waiting.popleft()
        if not was_broken:
            logger.warning(
                "VTN: a callback at %s is set aside, and tried every %.0f s: %s",
                lane.host,
                self._asks_broken_every_s,
                failure,
            )
