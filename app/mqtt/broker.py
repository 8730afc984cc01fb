"""Keeps many connections to MQTT brokers, each with its own login, on two threads.

One thread reads and writes all of them (paho's external loop); the other one connects them.
"""

from __future__ import annotations

import logging
import random
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from paho.mqtt.client import MQTTv5, MQTTv311
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from app.mqtt.connector import Connector
from app.mqtt.session import TAKEN_OVER_PAUSE_S, BoundedClient, Message, Session
from app.platform import NO_FENCE, Fence

logger = logging.getLogger(__name__)

INITIAL_PAUSE_S = 0.5
MAX_PAUSE_S = 30.0
ANSWERS_WITHIN_S = 10.0
STABLE_AFTER_S = 10.0
"""After so long, a lost connection is tried again at once."""
PACKETS_AT_ONCE = 50
"""Of one connection, before it is the turn of the others."""
ASKS_REFUSED_AGAIN_AFTER_S = 60.0
UNSUPPORTED_PROTOCOL = 132
"""What a broker of MQTT 3.1.1 answers to 5, as paho reads it."""


class BrokerLoop:
    """Sessions that connect, subscribe, and come back with growing pauses when they are lost.

    Building it does no I/O. A broker that does not answer is tried by one session at a time, or by
    as many as there are `connectors`: of several brokers one that is dead holds up no other. What
    connects or publishes waits for `fence`.
    """

    def __init__(
        self,
        *,
        first_pause_s: float = INITIAL_PAUSE_S,
        longest_pause_s: float = MAX_PAUSE_S,
        answers_within_s: float = ANSWERS_WITHIN_S,
        monotonic: Callable[[], float] = time.monotonic,
        connectors: int = 1,
        fence: Fence = NO_FENCE,
    ) -> None:
        self._first_pause_s = first_pause_s
        self._longest_pause_s = longest_pause_s
        self._answers_within_s = answers_within_s
        self._monotonic = monotonic
        self._fence = fence
        self._sessions: set[Session] = set()
        self._calls: deque[Callable[[], None]] = deque()
        self._selector: Any = None
        self._waker: Any = None
        """Both are made when the threads begin."""
        self._connector = Connector(
            connected=lambda session, client: self._call(partial(self._adopt, session, client)),
            failed=lambda session, reason: self._call(partial(self._failed, session, reason)),
            first_pause_s=first_pause_s,
            monotonic=monotonic,
            threads=connectors,
            fence=fence,
        )
        self._shutdown = False
        self._thread: threading.Thread | None = None

    def add(self, session: Session) -> None:
        """Connect it, and keep it connected."""
        self._start()
        self._call(lambda: self._sessions.add(session))
        self._connector.plan(session, 0.0)

    def subscribe(self, session: Session, filters: frozenset[str]) -> None:
        """From now on, these are its filters."""
        self._call(lambda: self._guarded(session, self._subscribe, filters))

    def acknowledge(self, session: Session, messages: Sequence[Message]) -> None:
        """These are taken, and need not come again. In the order in which they came."""
        self._call(lambda: self._guarded(session, self._acknowledge, messages))

    def flush(self, session: Session) -> None:
        """It has something to publish."""
        if session.publishing is not None:
            self._call(lambda: self._guarded(session, self._send))

    def pause(self, session: Session) -> None:
        """Read nothing of it until it is resumed: the broker keeps what comes meanwhile."""
        self._call(lambda: self._guarded(session, self._set_paused, True))

    def resume(self, session: Session) -> None:
        """Read on."""
        self._call(lambda: self._guarded(session, self._set_paused, False))

    def reconnect(self, session: Session) -> None:
        """End its connection, and make another: what was not acknowledged comes again."""
        self._call(lambda: self._break(session, "it is begun anew"))

    def remove(self, session: Session, *, forget: bool = False) -> None:
        """Disconnect it for good. `forget`: the broker need not keep its session any longer."""
        session.closed = True
        self._call(lambda: self._disconnect(session, forget=forget))

    def close(self, timeout_s: float = 1.0) -> None:
        """Disconnect all. May be called again."""
        self._shutdown = True
        self._connector.end()
        until_s = time.monotonic() + timeout_s
        if self._thread is not None:
            self._wake()
            self._thread.join(timeout_s)
            self._thread = None
        self._connector.join(max(0.0, until_s - time.monotonic()))

    def _start(self) -> None:
        if self._thread is not None or self._shutdown:
            return
        self._waker = socket.socketpair()
        for end in self._waker:
            end.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._waker[0], selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._loop, name="mqtt", daemon=True)
        self._thread.start()
        self._connector.start()

    def _call(self, call: Callable[[], None]) -> None:
        """The one way from other threads into the loop."""
        self._calls.append(call)
        self._wake()

    def _wake(self) -> None:
        if self._waker is not None:
            with suppress(OSError):  # it is awake, or closed
                self._waker[1].send(b"x")

    def _loop(self) -> None:
        looks_at_s = self._monotonic() + 1.0
        while not self._shutdown:
            for key, mask in self._selector.select(max(0.0, looks_at_s - self._monotonic())):
                if key.data is None:
                    self._drain()
                elif key.data.client is not None:
                    self._guarded(key.data, self._serve, mask)
            self._do_calls()
            if self._monotonic() >= looks_at_s:
                looks_at_s = self._monotonic() + 1.0
                for session in list(self._sessions):
                    if session.client is not None:
                        self._guarded(session, self._look_after)
        self._do_calls()
        for session in list(self._sessions):
            self._disconnect(session)
        self._selector.close()
        for end in self._waker:
            end.close()

    def _do_calls(self) -> None:
        for _ in range(len(self._calls)):
            try:
                self._calls.popleft()()
            except Exception:
                logger.exception("MQTT: a defect; the other connections continue")

    def _drain(self) -> None:
        with suppress(BlockingIOError):
            self._waker[0].recv(1 << 16)

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
        was_taken_over, session.was_taken_over = session.was_taken_over, False
        logger.debug("MQTT %s: %s", session.client_id, reason)
        if not session.closed and not self._shutdown:
            pause_s = self._first_pause_s * 2 ** min(session.failures - 1, 16)
            session.on_disconnected(reason)
            session.try_next_address()
            pause_s = min(pause_s, self._longest_pause_s) * random.uniform(0.5, 1.0)
            self._connector.plan(session, TAKEN_OVER_PAUSE_S if was_taken_over else pause_s)

    def _adopt(self, session: Session, client: BoundedClient) -> None:
        if session.closed or self._shutdown:
            client.disconnect()
            client.loop_write()
            return
        sock = client.socket()
        if sock is None:
            self._failed(session, "the broker closes the connection")
            return
        session.client, session.reason, session.asked, session.in_flight = client, None, {}, {}
        session.subscribed = session.not_kept = frozenset()
        session.deadline_s = self._monotonic() + self._answers_within_s
        client.suppress_exceptions = True  # else paho hands the same message out for ever
        client.on_socket_register_write = _queue_only
        client.on_socket_close = lambda _client, _data, sock: self._forget(sock)
        client.on_connect = lambda _c, _d, flags, why, properties: self._connected(
            session, flags, why, properties
        )
        client.on_publish = lambda _c, _d, mid, why, _p: self._confirmed(session, mid, why)
        client.on_subscribe = lambda _c, _d, mid, codes, _p: self._granted(session, mid, codes)
        client.on_message = lambda client, _d, message: session.received(client, message)
        client.on_disconnect = lambda _c, _d, flags, reason, _p: session.ended(flags, reason)
        session.events = 0
        self._write(session)
        # What was true of the connection before no longer is.
        self._guarded(session, lambda session: session.on_subscribed(frozenset()))

    def _forget(self, sock: Any) -> None:
        with suppress(KeyError, ValueError):  # it was not registered yet
            self._selector.unregister(sock)

    def _connected(self, session: Session, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            session.reason = f"the broker answers: {reason}"
            if reason.value == UNSUPPORTED_PROTOCOL and session.protocol == MQTTv5:
                session.protocol = MQTTv311
                return
            session.rejected = session.used  # told before the next one: that may wait for the VTN
            return
        session.deadline_s = None
        session.connected(flags, properties)
        former = sorted(session.former_filters - session.filters)
        if former and session.client is not None:
            session.client.unsubscribe(former)
        self._subscribe(session, session.filters)

    def _subscribe(self, session: Session, filters: frozenset[str]) -> None:
        session.filters = filters
        client = session.client
        if client is None or not client.is_connected():
            return
        if session.ask():
            session.deadline_s = self._monotonic() + self._answers_within_s
        elif not session.asked:
            self._is_up(session)  # who is served again wants nothing that is not there already
        self._write(session)

    def _granted(self, session: Session, mid: int, codes: list[Any]) -> None:
        refused = session.granted(mid, codes)
        if not session.asked:
            session.deadline_s = None
        if refused:
            session.asks_again_at_s = self._monotonic() + ASKS_REFUSED_AGAIN_AFTER_S
            logger.debug("MQTT %s: the broker refuses %s", session.client_id, refused[:5])
        self._is_up(session)

    def _is_up(self, session: Session) -> None:
        if not session.is_up:
            session.is_up, session.up_since_s = True, self._monotonic()
        session.on_subscribed(session.subscribed)
        self.flush(session)  # not from inside a callback of paho

    def _confirmed(self, session: Session, mid: int, code: Any) -> None:
        session.confirmed(mid, code)
        self.flush(session)

    def _send(self, session: Session) -> None:
        if session.is_up and session.client is not None:
            session.send(self._fence.is_certain)
            self._write(session)

    def _acknowledge(self, session: Session, messages: Sequence[Message]) -> None:
        for message in messages:
            # One of a connection that is gone comes again.
            if message.delivery is not None and message.delivery[0] is session.client:
                session.client.ack(message.delivery[1], 1)
        self._write(session)

    def _set_paused(self, session: Session, is_paused: bool) -> None:
        session.is_paused = is_paused
        if not is_paused:
            self._read(session)
        self._write(session)

    def _serve(self, session: Session, mask: int) -> None:
        if mask & selectors.EVENT_READ:
            self._read(session)
        else:
            self._write(session)

    def _read(self, session: Session) -> None:
        client = session.client
        for _ in range(PACKETS_AT_ONCE):
            if client is None or session.is_paused or client.loop_read():
                break
            sock: Any = client.socket()
            # What was read ahead, and what TLS holds back, the selector does not see.
            if sock is None or not (client.has_more or getattr(sock, "pending", int)()):
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
        events = 0 if session.is_paused else selectors.EVENT_READ
        if client.want_write():
            events |= selectors.EVENT_WRITE
        if events == session.events:
            return
        if not events:
            self._selector.unregister(sock)
        elif not session.events:
            self._selector.register(sock, events, session)
        else:
            self._selector.modify(sock, events, session)
        session.events = events

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
            if session.subscribed != session.filters and now_s >= session.asks_again_at_s:
                session.asks_again_at_s = float("inf")
                self._subscribe(session, session.filters)
            self._send(session)  # what the fence held back
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
        if was_up and session.has_fixed_id and session.reason is None:
            session.closed_by_broker(self._monotonic())
        reason = session.reason or "the connection is lost"
        if was_up and self._monotonic() - session.up_since_s >= STABLE_AFTER_S:
            session.failures = 0
        if pause or session.closed:
            self._failed(session, reason)
        else:
            self._connector.plan(session, 0.0)  # what it misses is asked for when it is up again

    def _disconnect(self, session: Session, *, forget: bool = False) -> None:
        self._sessions.discard(session)
        session.closed = True
        if session.client is not None:
            properties = None
            if forget and session.protocol == MQTTv5:
                properties = Properties(PacketTypes.DISCONNECT)
                properties.SessionExpiryInterval = 0
            if self._fence.is_certain():
                session.say_farewell()
            session.client.disconnect(properties=properties)
            session.client.loop_write()
            self._lost(session)


def _queue_only(*_: Any) -> None:
    """paho then leaves writing to the loop."""
