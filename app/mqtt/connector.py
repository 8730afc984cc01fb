"""Connects sessions when their time has come, on threads of its own.

What may wait is done here: a token from the VTN, name look-up, TCP, TLS.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable

from app.mqtt.session import BoundedClient, Session
from app.openadr import BrokerAddress, VtnError
from app.platform import Fence, LeaseLostError

RESTS_S = 30.0
"""How long an address that does not answer is left alone, where there are others."""


class Connector:
    """Hands a connection over when its CONNECT is sent.

    A broker that does not answer is tried by as many sessions at a time as there are `threads`.
    `connected` and `failed` are called on the thread that connects.
    """

    def __init__(
        self,
        *,
        connected: Callable[[Session, BoundedClient], None],
        failed: Callable[[Session, str], None],
        first_pause_s: float,
        monotonic: Callable[[], float],
        threads: int,
        fence: Fence,
    ) -> None:
        self._connected = connected
        self._failed = failed
        self._first_pause_s = first_pause_s
        self._monotonic = monotonic
        self._fence = fence
        self._due: list[tuple[float, int, Session]] = []
        self._order = itertools.count()
        self._planned = threading.Condition()
        self._down: dict[BrokerAddress, float] = {}
        """By address: until when nobody tries it, since it did not answer."""
        self._shutdown = False
        self._count = threads
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin; what was planned before is due now."""
        self._threads = [
            threading.Thread(target=self._run, name="mqtt-connect", daemon=True)
            for _ in range(self._count)
        ]
        for thread in self._threads:
            thread.start()

    def plan(self, session: Session, delay_s: float) -> None:
        """Connect it then."""
        with self._planned:
            due = (self._monotonic() + delay_s, next(self._order), session)
            heapq.heappush(self._due, due)
            self._planned.notify()

    def end(self) -> None:
        """Connect nobody any more. May be called again."""
        with self._planned:
            self._shutdown = True
            self._planned.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait for the connections that are being made."""
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        self._threads = []

    def _run(self) -> None:
        while (session := self._next_due()) is not None:
            if session.closed:
                continue
            try:
                self._fence.wait()
                client = session.connect()
            except LeaseLostError:
                return
            except Exception as error:  # noqa: BLE001 - of the VTN, of name look-up, of TLS: told
                words = error.strerror if isinstance(error, OSError) else None
                if not isinstance(error, VtnError):  # which says nothing of the broker
                    rests_s = self._first_pause_s if len(session.addresses) == 1 else RESTS_S
                    self._down[session.address] = self._monotonic() + rests_s
                self._failed(session, words or f"{type(error).__name__}: {error}")
                continue
            if self._down.pop(session.address, None) is not None:
                self._retry_now(session.address)
            self._connected(session, client)

    def _retry_now(self, address: BrokerAddress) -> None:
        """It answers again: the others need not wait for their time."""
        with self._planned:
            soon_s = self._monotonic()
            self._due = [
                (min(due_s, soon_s) if each.address == address else due_s, number, each)
                for due_s, number, each in self._due
            ]
            heapq.heapify(self._due)

    def _next_due(self) -> Session | None:
        """The next one whose time has come; None at the end."""
        with self._planned:
            while not self._shutdown:
                now_s = self._monotonic()
                if not self._due or self._due[0][0] > now_s:
                    self._planned.wait(self._due[0][0] - now_s if self._due else None)
                    continue
                session = heapq.heappop(self._due)[2]
                for _ in session.addresses:
                    rests_s = self._down.get(session.address, 0.0) - now_s
                    if rests_s <= 0:
                        return session
                    session.try_next_address()
                # Another one has just met that this broker does not answer.
                later = (now_s + rests_s + random.random(), next(self._order), session)
                heapq.heappush(self._due, later)
        return None
