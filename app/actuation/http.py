"""Orders that are posted to devices, or to what stands before them; their answer is the outcome."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError

from app.actuation.actuators import HttpActuator
from app.actuation.mqtt import HasOrders
from app.actuation.order import MAX_OUTCOME_BYTES, Key, Outcome
from app.actuation.outcomes import OutcomeInbox
from app.actuation.status import ActuatorStats
from app.platform import LogOnce, TextFileError, read_text

logger = logging.getLogger(__name__)
THREADS = 4
"""For devices that can be reached, and as many for those that cannot: they delay no other."""
MAX_CONNECT_TIMEOUT_S = 5.0
CLOSE_AT_ONCE = socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)


IN_USE = threading.local()
"""The connection that a thread posts with."""


class _InTime:
    """A connection that is made in time, names, addresses and TLS included, or not at all: what it
    is made for says how long it holds from then on."""

    def connect(self: Any) -> None:
        began_s = time.monotonic()
        super().connect()  # type: ignore[misc]
        if time.monotonic() - began_s > self.timeout:
            self.close()
            raise ConnectTimeoutError(self, "it took too long")

    def request(self: Any, *args: Any, **how: Any) -> None:
        IN_USE.connection = self
        super().request(*args, **how)  # type: ignore[misc]


class _Http(HTTPConnectionPool):
    ConnectionCls = type("_HttpInTime", (_InTime, HTTPConnection), {})


class _Https(HTTPSConnectionPool):
    ConnectionCls = type("_HttpsInTime", (_InTime, HTTPSConnection), {})


class _GivesUp(HTTPAdapter):
    """What was not sent when a connection is given up is never sent: the kernel drops it."""

    def init_poolmanager(self, *args: Any, **how: Any) -> None:
        options = [*HTTPConnection.default_socket_options, CLOSE_AT_ONCE]
        super().init_poolmanager(*args, **how, socket_options=options)
        self.poolmanager.pool_classes_by_scheme = {"http": _Http, "https": _Https}


def order_session() -> requests.Session:
    """For the orders of one thread."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _GivesUp())
    return session


class HttpChannel:
    """Posts each order when a thread is free, as it is then."""

    def __init__(
        self,
        actuator: HttpActuator,
        *,
        folder: Path,
        book: HasOrders,
        inbox: OutcomeInbox,
        session: Callable[[], requests.Session],
        stats: ActuatorStats,
        log_once: LogOnce,
    ) -> None:
        self._actuator = actuator
        self._folder = folder
        self._book = book
        self._inbox = inbox
        self._session = session
        self._stats = stats
        self._log_once = log_once
        self._changed = threading.Condition()
        self._due: tuple[OrderedDict[Key, None], ...] = OrderedDict(), OrderedDict()
        """Of devices that can be reached, and of those that could not be when last tried."""
        self._reached: set[Key] = set()
        self._problems: dict[Key, str] = {}
        """Of devices that could not be reached, the oldest first."""
        self._closed = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to post."""
        for number in range(2 * THREADS):
            name = f"orders-{self._actuator.name}-{number}"
            due = self._due[number % 2]
            thread = threading.Thread(target=self._post_each, args=(due,), name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self.write(list(self._book.of_actuator(self._actuator.name)))

    def write(self, keys: Sequence[Key]) -> None:
        """Post the orders of these resources."""
        with self._changed:
            for key in keys:
                self._due[key in self._problems][key] = None
            self._changed.notify_all()

    def show(self, devices: Mapping[Key, bool]) -> None:
        """Only brokers are told of devices."""

    def retire(self) -> None:
        """Post nothing more."""
        self.close()

    def close(self) -> None:
        """Post nothing more; what is being posted may end by itself."""
        with self._changed:
            self._closed = True
            for due in self._due:
                due.clear()
            self._changed.notify_all()
        self._stats.connection(self._actuator.name, None)

    def _post_each(self, due: OrderedDict[Key, None]) -> None:
        session = self._session()
        while (key := self._next(due)) is not None:
            try:
                self._post(session, key)
            except Exception:
                logger.exception("actuator %s: a defect; it goes on", self._actuator.name)

    def _next(self, due: OrderedDict[Key, None]) -> Key | None:
        with self._changed:
            while not due and not self._closed:
                self._changed.wait()
            return None if self._closed else due.popitem(last=False)[0]

    def _post(self, session: requests.Session, key: Key) -> None:
        written = self._book.written(key)
        if written is None or written.actuator != self._actuator.name or not written.body:
            return
        ack_timeout_s = self._actuator.ack_timeout.total_seconds()
        IN_USE.connection, IN_USE.is_cut = None, False
        # One that answers in drops is never silent for long.
        ends = threading.Timer(2 * ack_timeout_s, _cut, [vars(IN_USE)])
        ends.daemon = True
        ends.start()
        try:
            answer = session.post(
                self._actuator.url_of(*key),
                data=written.body,
                headers=self._headers(),
                timeout=(min(ack_timeout_s / 2, MAX_CONNECT_TIMEOUT_S), ack_timeout_s),
                verify=True
                if self._actuator.ca_file is None
                else str(self._folder / self._actuator.ca_file),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                body = answer.raw.read(MAX_OUTCOME_BYTES + 1, decode_content=True)
        except (requests.RequestException, OSError, TextFileError) as error:
            self._say(key, str(error) if isinstance(error, TextFileError) else type(error).__name__)
            return
        finally:
            ends.cancel()
        if IN_USE.is_cut:  # what came until then may look whole
            self._say(key, "no answer in time")
            return
        if not 200 <= answer.status_code < 300:
            self._say(key, f"it answers {answer.status_code}")
            return
        self._say(key, None)
        if not body.strip():
            return  # it has the order; its outcome is posted
        try:
            self._inbox.put(self._actuator.name, key, Outcome.read(body))
        except ValueError as error:
            self._inbox.refuse()
            self._log_once(
                logger,
                logging.WARNING,
                f"actuator {self._actuator.name}: {key}: its answer is no outcome: {error}",
                about=f"outcome {self._actuator.name} {error}",
            )

    def _headers(self) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._actuator.token_file is not None:
            token = read_text(self._folder / self._actuator.token_file, private=True).strip()
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _say(self, key: Key, problem: str | None) -> None:
        """Whether an order has arrived; the actuator is away where none does."""
        name = self._actuator.name
        with self._changed:
            if (key in self._problems) != (problem is not None) or key not in self._reached:
                live = set(self._book.of_actuator(name))
                self._reached &= live
                self._problems = {each: why for each, why in self._problems.items() if each in live}
            if problem is None:
                self._problems.pop(key, None)
                self._reached.add(key)
            else:
                self._stats.not_taken(name)
                self._reached.discard(key)
                self._problems.setdefault(key, f"{problem} ({key})")
            said = next(iter(self._problems.values()), None)
            self._stats.connection(name, None if self._reached else said)
            self._log_once.problem(
                logger,
                f"actuator {name}",
                None if said is None else "an order did not arrive",
                line=f"actuator {name}: an order did not arrive: {said}",
                recovered=f"actuator {name}: orders arrive again",
            )


def _cut(in_use: dict[str, Any]) -> None:
    """End what another thread waits for."""
    in_use["is_cut"] = True
    sock = getattr(in_use.get("connection"), "sock", None)
    if sock is not None:
        with suppress(OSError):  # it is over already
            sock.shutdown(socket.SHUT_RDWR)
