"""Keeps many connections to MQTT brokers, each with its own login, on two threads.

One thread reads and writes all of them (paho's external loop). What may wait (a token from the VTN,
TCP, TLS) is done by another one, which hands a connection over when its CONNECT is sent.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from paho.mqtt.client import Client

from app.mqtt.session import Session
from app.openadr import BrokerAddress, VtnError

logger = logging.getLogger(__name__)

INITIAL_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
ANSWERS_WITHIN_S = 10.0
RESTS_S = 30.0
"""How long an address that does not answer is left alone, where there are others."""
STABLE_AFTER_S = 10.0
"""After so long, a lost connection is tried again at once."""
FILTERS_AT_ONCE = 100
"""In one SUBSCRIBE; brokers bound their packets."""
PACKETS_AT_ONCE = 50
"""Of one connection, before it is the turn of the others."""


class BrokerLoop:
    """Sessions that connect, subscribe, and come back with growing pauses when they are lost.

    Building it does no I/O. A broker that does not answer is tried by one session at a time.
    """

    def __init__(
        self,
        *,
        first_pause_s: float = INITIAL_PAUSE_S,
        longest_pause_s: float = MAX_PAUSE_S,
        answers_within_s: float = ANSWERS_WITHIN_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._answers_within_s = answers_within_s
        self._monotonic = monotonic
        self._sessions: set[Session] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._selector: Any = None
        self._waker: Any = None
        """Both are made when the threads begin."""
        self._due: list[tuple[float, int, Session]] = []
        self._order = itertools.count()
        self._planned = threading.Condition()
        self._down: dict[BrokerAddress, float] = {}
        """By address: until when nobody tries it, since it did not answer."""
        self._shutdown = False
        self._threads: list[threading.Thread] = []

    def add(self, session: Session) -> None:
        """Connect it, and keep it connected."""
        self._start()
        self._call(lambda: self._sessions.add(session))
        self._plan(session, 0.0)

    def subscribe(self, session: Session, filters: frozenset[str]) -> None:
        """From now on, these are its filters."""
        self._call(lambda: self._guarded(session, self._subscribe, filters))

    def remove(self, session: Session) -> None:
        """Disconnect it for good."""
        session.closed = True
        self._call(lambda: self._disconnect(session))

    def close(self, timeout_s: float = 1.0) -> None:
        """Disconnect all. May be called again."""
        with self._planned:
            self._shutdown = True
            self._planned.notify_all()
        if self._threads:
            self._wake()
        until_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, until_s - time.monotonic()))
        self._threads = []

    def _start(self) -> None:
        if self._threads or self._shutdown:
            return
        self._waker = socket.socketpair()
        for end in self._waker:
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._waker[0], selectors.EVENT_READ, None)
        self._threads = [
            threading.Thread(target=self._loop, name="mqtt", daemon=True),
            threading.Thread(target=self._connect_each, name="mqtt-connect", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _call(self, call: Callable[[], None]) -> None:
        """The one way from other threads into the loop."""
        self._calls.append(call)
        self._wake()

    def _wake(self) -> None:
        if self._waker is not None:
            try:
                self._waker[1].send(b"x")
            except OSError:
                return  # it is awake, or closed

    # The thread that connects

    def _plan(self, session: Session, delay_s: float) -> None:
        with self._planned:
            due = (self._monotonic() + delay_s, next(self._order), session)
            heapq.heappush(self._due, due)
            self._planned.notify()

    def _connect_each(self) -> None:
        while (session := self._next_due()) is not None:
            if session.closed:
                continue
            try:
                client = session.connect()
            except Exception as error:  # noqa: BLE001 - of the VTN, of name look-up, of TLS: told
                words = error.strerror if isinstance(error, OSError) else None
                reason = words or f"{type(error).__name__}: {error}"
                if not isinstance(error, VtnError):  # which says nothing of the broker
                    rests_s = self._first_pause_s if len(session.addresses) == 1 else RESTS_S
                    self._down[session.address] = self._monotonic() + rests_s
                self._call(partial(self._failed, session, reason))
                continue
            if self._down.pop(session.address, None) is not None:
                self._retry_now(session.address)
            self._call(partial(self._adopt, session, client))

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

    # The thread that reads and writes

    def _loop(self) -> None:
        looks_at_s = self._monotonic() + 1.0
        while not self._shutdown:
            for key, mask in self._selector.select(max(0.0, looks_at_s - self._monotonic())):
                if key.data is None:
                    self._drain()
                elif key.data.client is not None:
                    self._guarded(key.data, self._serve, mask)
            for _ in range(len(self._calls)):
                try:
                    self._calls.popleft()()
                except Exception:
                    logger.exception("MQTT: a defect; the other connections continue")
            if self._monotonic() >= looks_at_s:
                looks_at_s = self._monotonic() + 1.0
                for session in list(self._sessions):
                    if session.client is not None:
                        self._guarded(session, self._look_after)
        for session in list(self._sessions):
            self._disconnect(session)
        self._selector.close()
        for end in self._waker:
            end.close()

    def _drain(self) -> None:
        try:
            self._waker[0].recv(1 << 16)
        except BlockingIOError:
            return

    def _guarded(self, session: Session, work: Callable[..., None], *args: Any) -> None:
        """One session's defect does not end the others."""
        try:
            work(session, *args)
        except Exception as error:
            logger.debug("MQTT %s: %s", session.client_id, error, exc_info=True)
            self._break(session, f"{type(error).__name__}: {error}")

    def _failed(self, session: Session, reason: str) -> None:
        session.failures += 1
        session.reason = reason
        logger.debug("MQTT %s: %s", session.client_id, reason)
        if not session.closed and not self._shutdown:
            pause_s = self._first_pause_s * 2 ** min(session.failures - 1, 16)
            session.on_disconnected(reason)
            session.try_next_address()
            self._plan(session, min(pause_s, self._longest_pause_s) * random.uniform(0.5, 1.0))

    def _adopt(self, session: Session, client: Client) -> None:
        if session.closed or self._shutdown:
            client.disconnect()
            client.loop_write()
            return
        sock = client.socket()
        if sock is None:
            self._failed(session, "the broker closes the connection")
            return
        session.client, session.reason, session.asked = client, None, {}
        session.subscribed = frozenset()
        session.deadline_s = self._monotonic() + self._answers_within_s
        client.suppress_exceptions = True  # else paho hands the same message out for ever
        client.on_socket_register_write = _queue_only
        client.on_socket_close = lambda _client, _data, sock: self._forget(sock)
        client.on_connect = lambda _c, _d, _f, reason, _p: self._connected(session, reason)
        client.on_subscribe = lambda _c, _d, mid, codes, _p: self._granted(session, mid, codes)
        client.on_message = lambda _c, _d, message: self._received(session, message)
        session.events = selectors.EVENT_READ
        self._selector.register(sock, session.events, session)
        self._write(session)
        # What was true of the connection before no longer is.
        self._guarded(session, lambda session: session.on_subscribed(frozenset()))

    def _forget(self, sock: Any) -> None:
        try:
            self._selector.unregister(sock)
        except (KeyError, ValueError):
            return  # it was not registered yet

    def _connected(self, session: Session, reason: Any) -> None:
        if reason.is_failure:
            session.reason = f"the broker answers: {reason}"
            session.rejected = session.used  # told before the next one: that may wait for the VTN
            return
        session.deadline_s = None
        self._subscribe(session, session.filters)

    def _subscribe(self, session: Session, filters: frozenset[str]) -> None:
        session.filters = filters
        client = session.client
        if client is None or not client.is_connected():
            return
        old = sorted(session.subscribed - filters)
        if old:
            client.unsubscribe(old)
            session.subscribed &= filters
        new = sorted(filters - session.subscribed - frozenset().union(*session.asked.values()))
        for begin in range(0, len(new), FILTERS_AT_ONCE):
            asked = new[begin : begin + FILTERS_AT_ONCE]
            _, mid = client.subscribe([(topic_filter, 1) for topic_filter in asked])
            if mid is not None:
                session.asked[mid] = asked
                session.deadline_s = self._monotonic() + self._answers_within_s
        if not new and not session.asked:
            self._is_up(session)  # who is served again wants nothing that is not there already
        self._write(session)

    def _granted(self, session: Session, mid: int, codes: list[Any]) -> None:
        asked = session.asked.pop(mid, [])
        refused = [
            each
            for each, code in itertools.zip_longest(asked, codes)
            if each is not None and (code is None or code.is_failure)
        ]
        session.subscribed |= frozenset(asked) - frozenset(refused)
        if not session.asked:
            session.deadline_s = None
        if refused:
            logger.debug("MQTT %s: the broker refuses %s", session.client_id, refused[:5])
        self._is_up(session)

    def _is_up(self, session: Session) -> None:
        if not session.is_up:
            session.is_up, session.up_since_s = True, self._monotonic()
        session.on_subscribed(session.subscribed)

    def _received(self, session: Session, message: Any) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        session.on_message(topic, message.payload, message.retain)

    def _serve(self, session: Session, mask: int) -> None:
        if mask & selectors.EVENT_READ:
            self._read(session)
        else:
            self._write(session)

    def _read(self, session: Session) -> None:
        client = session.client
        for _ in range(PACKETS_AT_ONCE):
            if client is None or client.loop_read():
                break
            sock: Any = client.socket()
            # TLS holds back what the selector does not see.
            if sock is None or not getattr(sock, "pending", int)():
                break
        else:
            self._calls.append(lambda: self._guarded(session, self._serve, selectors.EVENT_READ))
            self._wake()
        self._write(session)

    def _write(self, session: Session) -> None:
        """Send what is queued, if it goes; notice what is lost."""
        client = session.client
        if client is None:
            return
        if client.socket() is not None and client.want_write():
            client.loop_write()
        sock = client.socket()
        if sock is None:
            self._lost(session)
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if client.want_write() else 0)
        if events != session.events:
            session.events = events
            self._selector.modify(sock, events, session)

    def _look_after(self, session: Session) -> None:
        client = session.client
        if client is None:
            return
        now_s = self._monotonic()
        if session.deadline_s is not None and now_s > session.deadline_s:
            self._break(session, "the broker does not answer")
        elif session.used is not None and now_s >= session.used.renew_at_s:
            self._break(session, "the token expires", pause=False)
        else:
            client.loop_misc()
            self._write(session)

    def _break(self, session: Session, reason: str, *, pause: bool = True) -> None:
        """Give a connection up. Never from inside a callback of paho: it would wait for itself."""
        client = session.client
        if client is not None:
            session.reason = reason
            client.disconnect()
            client.loop_write()
            self._lost(session, pause=pause)

    def _lost(self, session: Session, *, pause: bool = True) -> None:
        client, session.client = session.client, None
        sock = None if client is None else client.socket()
        if sock is not None:
            self._forget(sock)
            sock.close()
        was_up, session.is_up = session.is_up, False
        session.deadline_s = None
        reason = session.reason or "the connection is lost"
        if was_up and self._monotonic() - session.up_since_s >= STABLE_AFTER_S:
            session.failures = 0
        if pause or session.closed:
            self._failed(session, reason)
        else:
            self._plan(session, 0.0)  # what it misses is asked for when it is up again

    def _disconnect(self, session: Session) -> None:
        self._sessions.discard(session)
        session.closed = True
        if session.client is not None:
            session.client.disconnect()
            session.client.loop_write()
            self._lost(session)


def _queue_only(*_: Any) -> None:
    """paho then leaves writing to the loop."""
