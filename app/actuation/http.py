"""Orders that are posted to devices, or to what stands before them; their answer is the outcome."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import requests

from app.actuation.actuators import HttpActuator
from app.actuation.mqtt import HasOrders
from app.actuation.order import MAX_OUTCOME_BYTES, Key, Outcome
from app.actuation.outcomes import OutcomeInbox
from app.actuation.status import ActuatorStats
from app.platform import LogOnce, TextFileError, read_text

logger = logging.getLogger(__name__)
THREADS = 4
CONNECT_TIMEOUT_S = 5.0


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
        self._due: OrderedDict[Key, None] = OrderedDict()
        self._closed = False
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to post."""
        for number in range(THREADS):
            name = f"orders-{self._actuator.name}-{number}"
            thread = threading.Thread(target=self._post_each, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()
        self.write(list(self._book.of_actuator(self._actuator.name)))

    def write(self, keys: Sequence[Key]) -> None:
        """Post the orders of these resources."""
        with self._changed:
            self._due.update(dict.fromkeys(keys))
            self._changed.notify(len(keys))

    def close(self) -> None:
        """Post nothing more; what is being posted may end by itself."""
        with self._changed:
            self._closed = True
            self._due.clear()
            self._changed.notify_all()
        self._stats.connection(self._actuator.name, None)

    def _post_each(self) -> None:
        session = self._session()
        while (key := self._next()) is not None:
            try:
                self._post(session, key)
            except Exception:
                logger.exception("actuator %s: a defect; it goes on", self._actuator.name)

    def _next(self) -> Key | None:
        with self._changed:
            while not self._due and not self._closed:
                self._changed.wait()
            return None if self._closed else self._due.popitem(last=False)[0]

    def _post(self, session: requests.Session, key: Key) -> None:
        written = self._book.written(key)
        if written is None or written.actuator != self._actuator.name or not written.body:
            return
        try:
            answer = session.post(
                self._actuator.url_of(*key),
                data=written.body,
                headers=self._headers(),
                timeout=(CONNECT_TIMEOUT_S, self._actuator.ack_timeout.total_seconds()),
                verify=True
                if self._actuator.ca_file is None
                else str(self._folder / self._actuator.ca_file),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                body = answer.raw.read(MAX_OUTCOME_BYTES + 1, decode_content=True)
        except (requests.RequestException, OSError, TextFileError) as error:
            self._say(
                f"{type(error).__name__}" if not isinstance(error, TextFileError) else str(error)
            )
            return
        if not 200 <= answer.status_code < 300:
            self._say(f"it answers {answer.status_code}")
            return
        self._say(None)
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

    def _say(self, problem: str | None) -> None:
        name = self._actuator.name
        self._stats.connection(name, problem)
        self._log_once.problem(
            logger,
            f"actuator {name}",
            None if problem is None else f"actuator {name}: an order did not arrive: {problem}",
            recovered=f"actuator {name}: orders arrive again",
        )
