"""Orders to devices that subscribe to a broker, and what they answer."""

from __future__ import annotations

import logging
import math
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from paho.mqtt.client import MQTTv5

from app.actuation.actuators import MqttActuator
from app.actuation.homeassistant import HomeAssistant
from app.actuation.order import Key, Outcome, Written
from app.actuation.outcomes import OutcomeInbox
from app.actuation.ports import HasOrders
from app.actuation.sessions import session_of
from app.actuation.status import ActuatorStats
from app.mqtt import BrokerLoop, Message, Outgoing, Publishing
from app.platform import LogOnce

logger = logging.getLogger(__name__)
ONLINE, OFFLINE = b"online", b"offline"


class MqttChannel:
    """Publishes each order when the broker takes it, as it is then; hears what devices answer.

    Nothing is ever sent a second time by the client: when a connection is made, all orders that
    hold are written anew.
    """

    def __init__(
        self,
        actuator: MqttActuator,
        *,
        folder: Path,
        book: HasOrders,
        inbox: OutcomeInbox,
        loop: BrokerLoop,
        stats: ActuatorStats,
        log_once: LogOnce,
    ) -> None:
        self._actuator = actuator
        self._book = book
        self._inbox = inbox
        self._loop = loop
        self._stats = stats
        self._log_once = log_once
        self._lock = threading.Lock()
        self._due: OrderedDict[Key, None] = OrderedDict()
        """Whose orders are to be published; each once, however often it is asked for."""
        self._is_announced = False
        """Whether devices know that we are there."""
        self._homeassistant: HomeAssistant | None = None
        if actuator.homeassistant:
            self._homeassistant = HomeAssistant(
                actuator, run=book.run, folder=folder, loop=loop, log_once=log_once
            )
        self._session = session_of(
            actuator,
            folder=folder,
            client_id=f"{actuator.client_id}-{book.run}",
            hears=actuator.outcome_filter,
            on_message=self._received,
            on_subscribed=self._subscribed,
            on_disconnected=self._say,
            publishing=Publishing(
                outgoing=self._next,
                on_refused=self._not_taken,
                will=Outgoing(topic=actuator.status_topic, body=OFFLINE, is_retained=True),
            ),
        )

    def start(self) -> None:
        """Connect."""
        self._stats.connection(self._actuator.name, "it is not connected yet")
        self._loop.add(self._session)
        if self._homeassistant is not None:
            self._homeassistant.start()

    def write(self, keys: Sequence[Key]) -> None:
        """Publish the orders of these resources as soon as the broker takes them."""
        with self._lock:
            self._due.update(dict.fromkeys(keys))
        self._loop.flush(self._session)

    def show(self, actuators: Mapping[Key, str], opted_out: Collection[tuple[str, str]]) -> None:
        """Who may be given orders, by which actuator, and who has opted out."""
        if self._homeassistant is not None:
            name = self._actuator.name
            self._homeassistant.show(
                {key: key in opted_out for key, own in actuators.items() if own == name}
            )

    def retire(self) -> None:
        """Publish no order any more; what Home Assistant shows is taken away until `close`."""
        self._end_orders()
        self.show({}, ())

    def close(self) -> None:
        """Publish nothing more."""
        self._end_orders()
        if self._homeassistant is not None:
            self._homeassistant.close()

    def _end_orders(self) -> None:
        self._loop.remove(self._session)
        self._stats.connection(self._actuator.name, None)

    def _next(self, level: int) -> Outgoing | None:
        if not self._is_announced:
            self._is_announced = True
            return Outgoing(topic=self._actuator.status_topic, body=ONLINE, is_retained=True)
        while True:
            with self._lock:
                if not self._due:
                    return None
                key, _ = self._due.popitem(last=False)
            written = self._book.written(key)
            if written is None or written.actuator != self._actuator.name:
                continue
            is_retained = level == MQTTv5
            if not written.body and not is_retained:
                continue  # nothing was retained
            return Outgoing(
                topic=self._actuator.topic(*key, "desired"),
                body=written.body,
                is_retained=is_retained,
                expires_in_s=self._expires_in_s(written) if written.body else None,
            )

    def _expires_in_s(self, written: Written) -> int:
        """So that a device that comes late does not take up what is nearly over."""
        return max(math.floor(min(written.left_s, self._actuator.half_s)), 1)

    def _subscribed(self, confirmed: frozenset[str]) -> None:
        if not self._session.is_up:
            self._is_announced = False
            return
        hears = self._actuator.outcome_filter in confirmed
        self._say(None if hears else f"the broker refuses {self._actuator.outcome_filter}")
        self.write(list(self._book.of_actuator(self._actuator.name)))

    def _say(self, problem: str | None) -> None:
        name, address = self._actuator.name, self._actuator.address
        before = self._stats.connection(name, problem)
        if problem is None and before is not None:
            logger.info("actuator %s: connected to %s", name, address)
        elif problem is not None:
            self._log_once.problem(
                logger,
                f"actuator {name}",
                f"actuator {name}: no order reaches {address}: {problem}",
            )
        if problem is None:
            self._log_once.problem(logger, f"actuator {name}", None)

    def _not_taken(self, topic: str, reason: str) -> None:
        self._stats.not_taken(self._actuator.name)
        self._log_once(
            logger,
            logging.WARNING,
            f"actuator {self._actuator.name}: the broker does not take {topic}: {reason}",
            about=f"{self._actuator.name} {topic} {reason}",
        )

    def _received(self, message: Message) -> None:
        """An answer is never retained: an old one would be followed again with each connection."""
        if message.is_retained:
            return
        try:
            self._inbox.put(
                self._actuator.name, self._key_of(message.topic), Outcome.read(message.body)
            )
        except ValueError as error:
            self._inbox.refuse()
            self._log_once(
                logger,
                logging.WARNING,
                f"actuator {self._actuator.name}: {message.topic[:200]}: {error}",
                about=f"outcome {self._actuator.name} {error}",
            )

    def _key_of(self, topic: str) -> Key:
        ven_name, resource_name, _ = topic.removeprefix(f"{self._actuator.prefix}/").split("/")
        return Key(unquote(ven_name), unquote(resource_name))
