"""Takes what push brings: each notification is read, and is at most a hint (openadr.md, 'Push').

An event that can be read, is newer than what the VEN has, and is meant for it, is taken as it is.
Everything else, a deletion too, makes the VEN ask its VTN.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from app.events import PushOutcome
from app.openadr import Event, WireError, read_event, read_notification
from app.platform import DatabaseError, LogOnce
from app.vens import PlansPolls

logger = logging.getLogger(__name__)

MAX_WAITING = 10_000
MAX_BYTES = 64 << 20
MAX_AT_ONCE = 500
MAX_LINES = 500
"""In the log, of what cannot be taken."""
ASKS_AGAIN_S = 5.0
"""A VEN that could not be asked."""
ASKS_EVERY_S = 1.0
"""A VEN that push wants to be asked is asked at most so often, however many ask for it."""


class TakesEvents(Protocol):
    """The manager of the VENs, for what push brings."""

    def take_events(self, pushed: Sequence[tuple[str, Event]]) -> Sequence[PushOutcome]: ...

    def take_gone(self, ven_names: Sequence[str], event_id: str) -> Sequence[PushOutcome]: ...

    def poll_asked(self) -> None: ...


@dataclass(frozen=True)
class _Message:
    ven_names: tuple[str, ...]
    body: bytes
    topic: str
    is_old: bool
    """Whether it was kept by the broker for who comes later."""


class Inbox:
    """A bounded queue with two threads behind it: one takes events, the other asks VTNs.

    `counts`: what was received, and the outcome: taken, known, unclear (the VTN is asked),
    malformed, not_ours, dropped, and what others count here. Building it does no I/O.
    """

    def __init__(
        self,
        *,
        ven_manager: TakesEvents,
        poll_plan: PlansPolls,
        log_once: LogOnce,
        asks_every_s: float = ASKS_EVERY_S,
        asks_again_s: float = ASKS_AGAIN_S,
    ) -> None:
        self._ven_manager = ven_manager
        self._poll_plan = poll_plan
        self._asks_every_s = asks_every_s
        self._asks_again_s = asks_again_s
        self._waiting: deque[_Message] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._to_ask = threading.Event()
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._counts: Counter[str] = Counter()
        self._log_once = log_once
        self._lines = 0

    def start(self) -> None:
        """Begin to work; what was put before waits."""
        self._threads = [
            threading.Thread(target=self._take_each, name="push-inbox", daemon=True),
            threading.Thread(target=self._ask_each, name="push-poll", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    @property
    def counts(self) -> dict[str, int]:
        """How many notifications were received, and the outcomes."""
        with self._changed:
            return dict(self._counts)

    def count(self, what: str) -> None:
        """Something that is not even a notification."""
        with self._changed:
            self._counts[what] += 1

    def put(
        self, ven_names: Iterable[str], body: bytes, *, topic: str = "", is_old: bool = False
    ) -> None:
        """A message for these VENs. When there are too many, they are asked for instead."""
        names = tuple(ven_names)
        with self._changed:
            self._counts["received"] += 1
            full = len(self._waiting) >= MAX_WAITING or self._bytes + len(body) > MAX_BYTES
            if full:
                self._counts["dropped"] += 1
            else:
                self._waiting.append(_Message(names, body, topic, is_old))
                self._bytes += len(body)
                self._changed.notify()
        if full:
            self.ask(names)

    def ask(self, ven_names: Iterable[str]) -> None:
        """These VENs ask their VTN soon."""
        names = tuple(ven_names)
        if names:
            self._poll_plan.ask(names)
            self._to_ask.set()

    def close(self, timeout_s: float = 1.0) -> None:
        """May be called again."""
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._to_ask.set()
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        self._threads = []

    def _take_each(self) -> None:
        while messages := self._next():
            try:
                self._take(messages)
            except DatabaseError as error:
                self._say(f"what push brings cannot be stored: {error}")
                self.ask({name for message in messages for name in message.ven_names})
            except Exception:
                logger.exception("push: %d notifications were not taken", len(messages))
                self.ask({name for message in messages for name in message.ven_names})

    def _next(self) -> Sequence[_Message]:
        """What waits, some of it; nothing at the end."""
        with self._changed:
            while not self._waiting and not self._closing.is_set():
                self._changed.wait()
            if self._closing.is_set():
                return ()
            taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MAX_AT_ONCE))]
            self._bytes -= sum(len(message.body) for message in taken)
            return taken

    def _take(self, messages: Sequence[_Message]) -> None:
        pushed: list[tuple[str, Event]] = []
        outcomes: list[PushOutcome] = []
        for message in messages:
            try:
                notification = read_notification(message.body, message.topic)
                event = read_event(notification.object) if notification.kind == "EVENT" else None
            except WireError as error:
                self.count("malformed")
                self._say(f"push brings {error}; the VTN is asked instead")
                self.ask(message.ven_names)
                continue
            if event is None or message.is_old:
                self.count(PushOutcome.UNCLEAR.value)
                self.ask(message.ven_names)
            elif notification.operation == "DELETE":
                # What came before it comes first.
                outcomes += self._take_events(pushed)
                pushed = []
                outcomes += self._take_gone(message.ven_names, event.event_id)
            else:
                pushed += [(name, event) for name in message.ven_names]
        outcomes += self._take_events(pushed)
        for outcome in outcomes:
            self.count(outcome.value)

    def _take_events(self, pushed: Sequence[tuple[str, Event]]) -> Sequence[PushOutcome]:
        if not pushed:
            return ()
        outcomes = self._ven_manager.take_events(pushed)
        names = [name for name, _ in pushed]
        self._ask_where_unclear(names, outcomes)
        return outcomes

    def _take_gone(self, ven_names: Sequence[str], event_id: str) -> Sequence[PushOutcome]:
        outcomes = self._ven_manager.take_gone(ven_names, event_id)
        self._ask_where_unclear(ven_names, outcomes)
        return outcomes

    def _ask_where_unclear(self, ven_names: Sequence[str], outcomes: Sequence[PushOutcome]) -> None:
        self.ask(
            {
                name
                for name, outcome in zip(ven_names, outcomes, strict=True)
                if outcome is PushOutcome.UNCLEAR
            }
        )

    def _ask_each(self) -> None:
        while True:
            # Who could not be asked, or was not enrolled yet, is tried again.
            self._to_ask.wait(self._asks_again_s if self._poll_plan.asked() else None)
            if self._closing.is_set():
                return
            self._to_ask.clear()
            try:
                self._ven_manager.poll_asked()
            except DatabaseError as error:
                self._say(f"events could not be refreshed: {error}")
            except Exception:
                logger.exception("push: the VTN was not asked")
            self._closing.wait(self._asks_every_s)

    def _say(self, line: str) -> None:
        """Once: who floods the VEN does not flood its log."""
        if self._lines < MAX_LINES and self._log_once.is_new(line):
            self._lines += 1
            logger.warning("%s", line)
