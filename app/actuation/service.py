"""What of this room runs: channels, the dispatcher, and what looks for changes of others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.actuation.actuators import ActuatorsFile
from app.actuation.book import OrderBook
from app.actuation.channels import Channels
from app.actuation.dispatcher import Dispatcher
from app.actuation.ports import KnowsFrames
from app.actuation.signal import OrderSignal
from app.actuation.trusted_clock import TrustedClock
from app.platform import DatabaseError, PeriodicThread


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
    ) -> None:
        self._actuators = actuators
        self._book = book
        self._frames = frames
        self._channels = channels
        self._channels_watch = channels_watch
        self._dispatcher = dispatcher
        self._change_watch = change_watch

    def start(self) -> None:
        """ActuatorsError: the file is wrong. DatabaseError."""
        self._actuators.all()
        last = self._frames.last()
        self._book.open(alive_at=None if last is None else last.taken_at)
        self._channels()
        self._dispatcher.start()
        self._channels_watch.start()
        self._change_watch.start()

    def close(self) -> None:
        """Write nothing more: what devices are asked runs out. May be called again."""
        self._dispatcher.close()
        self._change_watch.close()
        self._channels_watch.close()
        self._channels.close()
