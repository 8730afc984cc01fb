"""Orders that are posted to devices, or to what stands before them; their answer is the outcome."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import requests

from app.actuation.actuators import HttpActuator
from app.actuation.order import MAX_OUTCOME_BYTES, Key, Outcome
from app.actuation.outcomes import OutcomeInbox
from app.actuation.ports import HasOrders
from app.actuation.poster import OrderPoster
from app.actuation.status import ActuatorStats
from app.platform import Fence, LeaseLostError, LogOnce, TextFileError, read_text

logger = logging.getLogger(__name__)
THREADS = 4
"""For devices that can be reached, and as many for those that cannot: they delay no other."""


class HttpChannel:
    """Posts each order when a thread is free, as it is then."""

    def __init__(
        self,
        actuator: HttpActuator,
        *,
        folder: Path,
        book: HasOrders,
        inbox: OutcomeInbox,
        make_poster: Callable[[], OrderPoster],
        fence: Fence,
        stats: ActuatorStats,
        log_once: LogOnce,
    ) -> None:
        self._actuator = actuator
        self._folder = folder
        self._book = book
        self._inbox = inbox
        self._make_poster = make_poster
        self._fence = fence
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

    def show(self, actuators: Mapping[Key, str], opted_out: Collection[tuple[str, str]]) -> None:
        """They are shown to nobody."""

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
        poster = self._make_poster()
        while (key := self._next(due)) is not None:
            try:
                self._fence.wait()
                self._post(poster, key)
            except LeaseLostError:
                return
            except Exception:
                logger.exception("actuator %s: a defect; it goes on", self._actuator.name)

    def _next(self, due: OrderedDict[Key, None]) -> Key | None:
        with self._changed:
            while not due and not self._closed:
                self._changed.wait()
            return None if self._closed else due.popitem(last=False)[0]

    def _post(self, poster: OrderPoster, key: Key) -> None:
        written = self._book.written(key)
        if written is None or written.actuator != self._actuator.name or not written.body:
            return
        try:
            status, body = poster.post(
                self._actuator.url_of(*key),
                written.body,
                headers=self._headers(),
                verify=True
                if self._actuator.ca_file is None
                else str(self._folder / self._actuator.ca_file),
                timeout_s=self._actuator.ack_timeout.total_seconds(),
                max_bytes=MAX_OUTCOME_BYTES + 1,
            )
        except TextFileError as error:
            self._say(key, str(error))
            return
        except (requests.RequestException, OSError) as error:
            self._say(key, type(error).__name__)
            return
        if not 200 <= status < 300:
            self._say(key, f"it answers {status}")
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
