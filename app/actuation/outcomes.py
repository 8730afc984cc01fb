"""Answers of devices, on their way to who follows them."""

from __future__ import annotations

import threading
from collections import deque

import orjson

from app.actuation.actuators import ActuatorsFile
from app.actuation.order import Answer, Key, Outcome
from app.actuation.signal import OrderSignal
from app.platform import is_same_secret

MAX_WAITING = 20_000
"""Answers that wait; of more, the newest are dropped, and devices repeat them."""


class OutcomeInbox:
    """Takes answers from brokers, from HTTP answers and from those who post them.

    Safe for several threads.
    """

    def __init__(self, *, actuators: ActuatorsFile, signal: OrderSignal) -> None:
        self._actuators = actuators
        self._signal = signal
        self._lock = threading.Lock()
        self._waiting: deque[Answer] = deque()
        self.refused = 0
        """Answers that are none, and what was dropped; since the start."""

    def put(self, actuator: str, key: Key, outcome: Outcome) -> bool:
        """False: too many wait already."""
        with self._lock:
            if len(self._waiting) >= MAX_WAITING:
                self.refused += 1
                return False
            self._waiting.append(Answer(actuator, key, outcome))
        self._signal.answered()
        return True

    def post(self, actuator: str, body: bytes) -> bool:
        """An answer that is posted: with `ven_name` and `resource_name` in it. ValueError, in a few
        words: it is none. False: too many wait already."""
        outcome = Outcome.read(body)
        values = orjson.loads(body)
        names = [values.get(field) for field in Key._fields]
        if not all(isinstance(name, str) and name for name in names):
            self.refuse()
            raise ValueError("it needs a ven_name and a resource_name")
        return self.put(actuator, Key(*names), outcome)

    def refuse(self) -> None:
        """Count an answer that is none."""
        with self._lock:
            self.refused += 1

    def take(self) -> list[Answer]:
        """All that wait."""
        with self._lock:
            taken = list(self._waiting)
            self._waiting.clear()
        return taken

    def put_back(self, answers: list[Answer]) -> None:
        """They could not be followed yet."""
        with self._lock:
            self._waiting.extendleft(reversed(answers))

    def actuator_of_token(self, token: str) -> str | None:
        """Whose devices may post with this token."""
        found = None
        for name, actuator in self._actuators.all().items():
            own = actuator.outcome_token
            if own is not None and is_same_secret(token, own.get_secret_value()):
                found = name
        return found
