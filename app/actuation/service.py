"""What of this room runs: channels, the dispatcher, and what looks for changes of others."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from app.actuation.actuators import ActuatorsFile
from app.actuation.book import OrderBook
from app.actuation.channels import Channels
from app.actuation.dispatcher import Dispatcher
from app.actuation.ports import KnowsFrames
from app.actuation.signal import OrderSignal
from app.actuation.trusted_clock import TrustedClock
from app.platform import DatabaseError, PeriodicThread, Shutdown

logger = logging.getLogger(__name__)
CONNECT_S = 5.0
"""A broker has as long to take us in."""
LOOKS_EVERY_S = 0.1


class ChangeWatch:
    """To be called every second: notices what other processes have changed, and a clock that is
    wrong, or right again."""

    def __init__(
        self,
        *,
        revisions: Sequence[Callable[[], int]],
        clock: TrustedClock,
        signal: OrderSignal,
    ) -> None:
        self._revisions = revisions
        self._clock = clock
        self._signal = signal
        self._before: tuple[int, ...] | None = None

    def __call__(self) -> None:
        """A few small queries; nothing else where nothing has changed."""
        try:
            revisions = [revision() for revision in self._revisions]
            state = (*revisions, int(self._clock.look()), self._clock.jumps)
        except DatabaseError:
            return  # /readyz says so
        before, self._before = self._before, state
        if before != state:
            self._signal.changed()


class ActuationService:
    """Starts and stops it."""

    def __init__(
        self,
        *,
        actuators: ActuatorsFile,
        book: OrderBook,
        frames: KnowsFrames,
        channels: Channels,
        channels_watch: PeriodicThread,
        dispatcher: Dispatcher,
        change_watch: PeriodicThread,
        trouble_watch: PeriodicThread,
        shutdown: Shutdown,
        monotonic: Callable[[], float],
    ) -> None:
        self._actuators = actuators
        self._book = book
        self._frames = frames
        self._channels = channels
        self._channels_watch = channels_watch
        self._dispatcher = dispatcher
        self._change_watch = change_watch
        self._trouble_watch = trouble_watch
        self._shutdown = shutdown
        self._monotonic = monotonic
        self._is_running = False

    def start(self) -> None:
        """ActuatorsError: the file is wrong. DatabaseError."""
        self._actuators.all()
        last = self._frames.last()
        self._book.open(ticked_at=None if last is None else last.taken_at)
        self._channels()
        self._dispatcher.start()
        self._channels_watch.start()
        self._change_watch.start()
        self._trouble_watch.start()
        self._is_running = True

    def dispatch_once(self) -> None:
        """Give orders as they are asked now, once; returns when devices have answered, or have had
        time to. ActuatorsError: the file is wrong. DatabaseError."""
        self.start()
        times = [each.ack_timeout.total_seconds() for each in self._actuators.all().values()]
        if times:
            self._wait_for_answers(max(times) + CONNECT_S, self._shutdown.wait)

    def release_all(self, *, timeout_s: float) -> None:
        """End every order, and wait for so long that devices have heard of it."""
        if self._is_running:
            self._dispatcher.release_all()
            self._wait_for_answers(timeout_s, threading.Event().wait)

    def _wait_for_answers(self, timeout_s: float, pause: Callable[[float], bool]) -> None:
        ends_s = self._monotonic() + timeout_s
        while not self._dispatcher.is_planned or self._book.waiting():
            if self._monotonic() >= ends_s:
                logger.warning(
                    "orders: %d devices have not answered; what they hold ends by itself",
                    self._book.waiting(),
                )
                return
            if pause(LOOKS_EVERY_S):
                return

    def close(self) -> None:
        """Write nothing more: what devices are asked runs out. May be called again."""
        self._is_running = False
        self._dispatcher.close()
        self._change_watch.close()
        self._trouble_watch.close()
        self._channels_watch.close()
        self._channels.close()
