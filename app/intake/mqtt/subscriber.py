"""Takes what one source publishes: from its broker's queue into the log of measurements."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

from app.intake.http import TakesMeasurements
from app.intake.measurement import Receipt, Refusals
from app.intake.mqtt.inbox import AT_ONCE, QUIET_S, WINDOW, Incoming, MessageInbox
from app.intake.mqtt.reader import MessageReader, MessagesRead
from app.intake.refusal_log import RefusalLog
from app.intake.sources import MqttSource
from app.intake.status import IntakeStats
from app.mqtt import BrokerLoop, KeptSession, Message, Session
from app.platform import (
    LogOnce,
    OperationalError,
    Shutdown,
    to_us,
)

logger = logging.getLogger(__name__)

IDLE_S = 0.5
"""After so long without a message, it is looked for what waits for others."""
MIN_KEEP_S = 3600
SENDS_WITHIN_S = 2.0
"""What a broker has kept, when somebody is connected again."""
CONNECTING = "it is not connected yet"
INITIAL_PAUSE_S, MAX_PAUSE_S = 0.5, 10.0
"""Before what could not be stored is tried again."""


class MqttSubscriber:
    """Subscribes, takes, and acknowledges what is durable.

    Topics whose messages have a time are heard in a session that the broker keeps while we are
    away; a message of it is acknowledged after it is stored. The others are heard in a session of
    their own that ends with its connection: what waited would be dated wrongly. `folder`: to which
    the paths of the source are relative; `former`: the source as it was before, whose session the
    broker still keeps. `client_suffix`: at the end of its client ids; `devices`: those that are
    heard, None: all. `is_former`: only what a session of before still brings is taken.
    """

    def __init__(
        self,
        source: MqttSource,
        *,
        folder: Path,
        former: MqttSource | None,
        intake: TakesMeasurements,
        loop: BrokerLoop,
        stats: IntakeStats,
        refusal_log: RefusalLog,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        shutdown: Shutdown,
        log_once: LogOnce,
        client_suffix: str = "",
        devices: frozenset[str] | None = None,
        is_former: bool = False,
    ) -> None:
        self._source = source
        self._devices = devices
        self._is_former = is_former
        self._label = f"{source.name} (the session of before)" if is_former else source.name
        self._folder = folder
        self._intake = intake
        self._loop = loop
        self._stats = stats
        self._refusal_log = refusal_log
        self._clock = clock
        self._monotonic = monotonic
        self._shutdown = shutdown
        self._log_once = log_once
        self._inbox = MessageInbox(monotonic=monotonic)
        self._reader = MessageReader(source)
        self._unacknowledged: deque[Incoming] = deque()
        """In the order in which they came."""
        self._took_all = False
        """Whether less came than may come at once, and all of it is acknowledged."""
        self._is_closed = threading.Event()
        self._thread: threading.Thread | None = None
        self._problems: dict[str, str] = {}
        """By session: why it does not hear."""
        self._problem: str | None = None
        self._has_heard = False
        """Whether the session that the broker keeps was up."""
        self._sessions: list[Session] = []
        if source.is_kept:
            kept = KeptSession(
                keep_s=max(int(source.late.total_seconds()), MIN_KEEP_S),
                most_unacknowledged=2 * AT_ONCE,
            )
            session = self._session(source.session_id + client_suffix, kept)
            if former is not None:
                session.former_filters = former.filters(devices, timed=True)
            self._sessions.append(session)
        if source.is_heard_now and not is_former:
            self._sessions.append(self._session(source.untimed_session_id + client_suffix, None))
        for session in self._sessions:
            session.filters = frozenset() if is_former else self._filters(session)

    def start(self) -> None:
        """Connect, and take what comes."""
        for session in self._sessions:
            self._problems[session.client_id] = CONNECTING
        self._say()
        self._thread = threading.Thread(
            target=self._take_each, name=f"mqtt-{self._source.name}", daemon=True
        )
        self._thread.start()
        for session in self._sessions:
            self._loop.add(session)

    @property
    def has_caught_up(self) -> bool:
        """Whether the broker has nothing more of what it kept: it has been connected for a while,
        could have sent more at once, and all that came is stored and acknowledged."""
        since_s = self._monotonic() - SENDS_WITHIN_S
        is_up = all(each.is_up and each.up_since_s <= since_s for each in self._sessions)
        return is_up and self._took_all

    def hear(self, devices: frozenset[str] | None) -> None:
        """From now on, these devices."""
        if devices != self._devices:
            self._devices = devices
            for session in self._sessions:
                self._loop.subscribe(session, self._filters(session))

    def _filters(self, session: Session) -> frozenset[str]:
        return self._source.filters(self._devices, timed=session.kept is not None)

    def stop(self) -> None:
        """Take nothing more."""
        self._is_closed.set()
        self._inbox.close()

    def close(self, timeout_s: float = 5.0, *, forget: bool = False) -> None:
        """Finish what is being stored, and disconnect. `forget`: for good."""
        self.stop()
        if self._thread is not None:
            self._thread.join(timeout_s)
            self._thread = None
        for session in self._sessions:
            self._loop.remove(session, forget=forget)
        if not self._is_former:
            self._stats.connection(self._source.name, None)

    def _session(self, client_id: str, kept: KeptSession | None) -> Session:
        connected_us = 0
        is_new = True

        def subscribed(confirmed: frozenset[str]) -> None:
            nonlocal connected_us, is_new
            if not session.is_up:
                connected_us, is_new = to_us(self._clock()), True
                return
            if is_new and kept is not None:
                is_new = False
                self._say_what_is_kept(session)
            refused = sorted(session.filters - confirmed)
            self._heard(session, f"the broker refuses {refused[0]}" if refused else None)

        def received(message: Message) -> None:
            is_kept = kept is not None
            incoming = Incoming(message, to_us(self._clock()), connected_us, is_kept)
            is_full = self._inbox.put(incoming)
            if is_full and is_kept and not session.is_paused:
                self._loop.pause(session)

        session = Session(
            addresses=[self._source.address],
            client_id=client_id,
            tls=lambda _: self._source.tls(self._folder),
            login=lambda: self._source.login(self._folder),
            refused=lambda _: None,  # its password is read again with the next connection
            on_message=received,
            on_subscribed=subscribed,
            on_disconnected=lambda reason: self._heard(session, reason),
            kept=kept,
            has_fixed_id=True,
        )
        return session

    def _heard(self, session: Session, problem: str | None) -> None:
        """Whether a session hears what it should; None: it does."""
        if problem is None:
            self._problems.pop(session.client_id, None)
        else:
            self._problems[session.client_id] = problem
        if not self._is_closed.is_set():
            self._say()

    def _say_what_is_kept(self, session: Session) -> None:
        """What is not promised of a connection that has begun."""
        name = self._label
        if not session.is_resumed and self._has_heard:
            logger.warning(
                "source %s: the broker has lost our session: what was published while nothing was"
                " heard did not come",
                name,
            )
        elif not session.is_resumed:
            logger.info(
                "source %s: a new session at the broker, which keeps from now on what is published"
                " while the fleet is away",
                name,
            )
        if session.not_kept:
            logger.warning(
                "source %s: the broker grants %s with QoS 0 only: what is published while the fleet"
                " is away is lost",
                name,
                min(session.not_kept),
            )
        self._has_heard = True

    def _say(self) -> None:
        """When nothing is heard any more, why, and when it is again."""
        problem = min(self._problems.values(), default=None)
        before, self._problem = self._problem, problem
        if not self._is_former:
            self._stats.connection(self._source.name, problem)
        name, address = self._label, self._source.address
        if problem is None and before is not None:
            logger.info("source %s: listening at %s", name, address)
        elif problem not in (before, CONNECTING):
            logger.warning("source %s: nothing is heard from %s: %s", name, address, problem)

    def _take_each(self) -> None:
        while True:
            # What waits for others may wait for the broker, which waits for us.
            holds_up = self._reader.waits and len(self._unacknowledged) >= WINDOW
            waiting = self._inbox.take(QUIET_S if holds_up else IDLE_S)
            if waiting is None:
                return
            try:
                if waiting or self._reader.waits:
                    self._take(waiting)
                self._took_all = len(waiting) < AT_ONCE and not self._unacknowledged
            except Exception:
                logger.exception("source %s: a defect; the broker sends again", self._source.name)
                self._start_over()
            for session in self._sessions:
                if session.is_paused and self._inbox.has_room:
                    self._loop.resume(session)

    def _start_over(self) -> None:
        """What was not acknowledged comes again, by a new connection."""
        self._unacknowledged.clear()
        self._reader = MessageReader(self._source)
        for session in self._sessions:
            self._loop.reconnect(session)

    def _take(self, waiting: Sequence[Incoming]) -> None:
        self._unacknowledged += (each for each in waiting if each.message.delivery is not None)
        idle_us = None if waiting else to_us(self._clock())
        read = self._reader.read(waiting, idle_us)
        receipt = self._stored(read)
        if receipt is None:
            return  # the end: what is not acknowledged comes again
        self._count(read, receipt)
        taken: list[Message] = []
        is_held_up = not waiting and len(self._unacknowledged) >= WINDOW
        while self._unacknowledged and (self._unacknowledged[0].is_settled or is_held_up):
            taken.append(self._unacknowledged.popleft().message)
        if taken:
            for session in self._sessions:
                if session.kept is not None:
                    self._loop.acknowledge(session, taken)

    def _stored(self, read: MessagesRead) -> Receipt | None:
        """What came of it, when it is durable; None: we stopped before it was."""
        if read.measurements is None:
            return Receipt()
        name = self._label
        problem = partial(self._log_once.problem, logger, f"what comes of source {name}")
        pause_s = INITIAL_PAUSE_S
        while True:
            try:
                receipt = self._intake.take(read.measurements, self._source)
                problem(None, recovered=f"source {name}: what it publishes is taken again")
                return receipt
            except OperationalError as error:
                problem(f"source {name}: nothing is taken, the broker keeps it: {error}")
            except Exception:
                logger.exception("source %s: a defect; what it published is tried again", name)
            if self._is_closed.wait(pause_s) or self._shutdown.is_set():
                return None
            pause_s = min(2 * pause_s, MAX_PAUSE_S)

    def _count(self, read: MessagesRead, receipt: Receipt) -> None:
        refused = Refusals()
        for each in receipt.refusals.first:
            refused.first.append(each._replace(file=read.topics[each.line - 1], line=0))
        refused.count = receipt.refusals.count
        refused.extend(read.refused)
        self._stats.refused(self._source.name, refused)
        self._stats.came_to_nothing(
            self._source.name, ignored=read.ignored, dropped=self._inbox.take_dropped()
        )
        self._refusal_log.say(refused, self._source)
