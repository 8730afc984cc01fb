"""Messages that wait to be taken, in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.mqtt import Message

AT_ONCE = 1_000
"""Messages that are taken together. Brokers are told to send twice as many before any is
acknowledged, so that the others come meanwhile."""
LONGEST_WAIT_S = 1.0
"""Of a message for others."""
WINDOW = 10
"""Any broker sends as many before one is acknowledged, and some no more than 20."""
QUIET_S = 0.02
"""Nothing came for so long, and at least WINDOW wait: the broker may wait for us."""
MAX_MESSAGES = 20_000
MAX_BYTES = 16 << 20


@dataclass(slots=True, eq=False)
class Incoming:
    """A message, and what became of it."""

    message: Message
    came_us: int
    """When, in microseconds since 1970."""
    connected_us: int
    """Since when the connection was there by which it came."""
    is_kept: bool
    """Whether it came in a session that the broker keeps: it may have waited there."""
    is_read: bool = False
    open_in: int = 0
    """Groups that it is part of, and that wait for more."""

    @property
    def is_settled(self) -> bool:
        """Whether what it says is among what was read, or refused."""
        return self.is_read and not self.open_in


class MessageInbox:
    """Bounds what waits, and says when it is time to take some. Safe for several threads."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._waiting: deque[Incoming] = deque()
        self._bytes = 0
        self._not_kept = 0
        """Of those that wait: that the broker sends only once."""
        self._first_s = self._last_s = 0.0
        """When the oldest and the newest of them came."""
        self._is_closed = False
        self._dropped = 0

    def put(self, incoming: Incoming) -> bool:
        """One more; whether there are too many of what the broker keeps.

        Of the others, where there is no room, only the newest of each topic are kept.
        """
        with self._changed:
            self._last_s = self._monotonic()
            if not self._waiting:
                self._first_s = self._last_s
            self._waiting.append(incoming)
            self._bytes += len(incoming.message.body)
            self._not_kept += not incoming.is_kept
            if len(self._waiting) in (1, WINDOW, AT_ONCE):
                self._changed.notify()
            if self._is_full and self._not_kept:
                self._make_room()
            return self._is_full

    def take(self, idle_s: float) -> list[Incoming] | None:
        """The next ones, when it is time; none, when nothing came for so long; None at the end."""
        with self._changed:
            until_s = self._monotonic() + idle_s
            while not self._is_closed:
                now_s = self._monotonic()
                wait_s = self._due_in_s(now_s) if self._waiting else until_s - now_s
                if wait_s <= 0:
                    count = min(len(self._waiting), AT_ONCE)
                    taken = [self._waiting.popleft() for _ in range(count)]
                    self._bytes -= sum(len(each.message.body) for each in taken)
                    self._not_kept -= sum(not each.is_kept for each in taken)
                    self._first_s = now_s
                    return taken
                self._changed.wait(wait_s)
            return None

    def take_dropped(self) -> int:
        """How many messages that the broker sends only once had no room, since this was asked."""
        with self._changed:
            dropped, self._dropped = self._dropped, 0
            return dropped

    @property
    def has_room(self) -> bool:
        """Whether reading may go on."""
        with self._changed:
            return len(self._waiting) < MAX_MESSAGES // 2 and self._bytes < MAX_BYTES // 2

    def close(self) -> None:
        """What waits is not taken any more: the broker has it still."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def _is_full(self) -> bool:
        return len(self._waiting) >= MAX_MESSAGES or self._bytes >= MAX_BYTES

    def _due_in_s(self, now_s: float) -> float:
        if len(self._waiting) >= AT_ONCE:
            return 0.0
        due_s = self._first_s + LONGEST_WAIT_S
        if len(self._waiting) >= WINDOW:
            due_s = min(due_s, self._last_s + QUIET_S)
        return due_s - now_s

    def _make_room(self) -> None:
        """What nobody keeps for us goes: all but the newest message of each topic, and of those
        what is beyond half of the room."""
        newest = {each.message.topic: each for each in self._waiting if not each.is_kept}
        kept: deque[Incoming] = deque()
        count = size = 0
        for each in reversed(self._waiting):
            if not each.is_kept:
                size_with = size + len(each.message.body)
                is_newest = newest[each.message.topic] is each
                if not is_newest or count >= MAX_MESSAGES // 2 or size_with > MAX_BYTES // 2:
                    continue
                count, size = count + 1, size_with
            kept.appendleft(each)
        self._dropped += len(self._waiting) - len(kept)
        self._waiting = kept
        self._bytes = sum(len(each.message.body) for each in kept)
        self._not_kept = count
