"""Tells clients of changes: by MQTT, and by the webhooks of their subscriptions."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from functools import partial

from app.vtn import topics
from app.vtn.mqtt import MqttPublisher
from app.vtn.objects import Change, Objects, without_tokens
from app.vtn.store import VtnStore
from app.vtn.versions import Version, Version301, Version310, flat_targets, notification
from app.vtn.webhooks import WebhookDelivery
from app.vtn.wire import Wire

logger = logging.getLogger(__name__)

MAX_WAITING = 10_000
MAX_CLIENTS = 100_000
VERSIONS: dict[str, Version] = {
    Version310.name: Version310(),
    Version301.name: Version301(),
}


class Notifier:
    """Takes changes as they come, and tells them on a thread of its own.

    A client is told what it may see: of programs and events with targets, those that were granted
    to it (Definition, Object Privacy). `broker`: None where there is none.
    """

    def __init__(
        self,
        *,
        store: VtnStore,
        webhooks: WebhookDelivery,
        broker: MqttPublisher | None,
        bl_client_id: str,
    ) -> None:
        self._store = store
        self._webhooks = webhooks
        self._broker = broker
        self._bl_client_id = bl_client_id
        self._objects: Objects | None = None
        self._waiting: queue.Queue[Change | None] = queue.Queue(MAX_WAITING)
        self._thread: threading.Thread | None = None
        self._closing = False
        self._stale = True
        self._subscriptions: list[Wire] = []
        """Read when they were changed, and not for each report that comes in."""
        self._later: set[str] = set()
        """Ids of subscriptions that were made after the changes that still wait."""

    def start(self, objects: Objects) -> None:
        """Begin; `objects` knows who may see what."""
        self._objects = objects
        if self._broker is not None:
            self._broker.start()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def changed(self, change: Change) -> None:
        """A change that was stored; told soon."""
        if change.kind == "SUBSCRIPTION":
            # At once: it has to hold also where there is no room for the change itself.
            self._stale = True
            if change.operation == "CREATE":
                self._later.add(change.body["id"])
            else:
                self._webhooks.forget(change.body["id"])
        try:
            self._waiting.put_nowait(change)
        except queue.Full:
            self._later.discard(change.body["id"])
            logger.warning("VTN: too many changes at once; one is not published")

    def close(self) -> None:
        """May be called again."""
        self._closing = True
        if self._broker is not None:
            self._broker.close()  # it may be what the thread waits for
        thread, self._thread = self._thread, None
        if thread is not None:
            with contextlib.suppress(queue.Full):  # then there is enough to wake it
                self._waiting.put_nowait(None)
            thread.join(1.0)
        self._webhooks.close()

    def _run(self) -> None:
        while (change := self._waiting.get()) is not None and not self._closing:
            self._later.discard(change.body["id"])
            for tell in (self._publish, self._call_back):
                try:
                    tell(change)
                except Exception:
                    logger.exception(
                        "VTN: a %s of a %s was not published", change.operation, change.kind
                    )

    def _publish(self, change: Change) -> None:
        broker = self._broker
        if broker is None:
            return
        version = VERSIONS["3.1.0"]
        shown = without_tokens(change.body)
        now = topics.for_everyone(change.body)
        for topic in now:
            _tell(broker, topic, change.operation, version, shown)
        if change.before is not None:
            was = without_tokens(change.before)
            for topic in topics.for_everyone(change.before) - now:
                _tell(broker, topic, "DELETE", version, was)
        for client_id in self._clients(change):
            own = topics.for_client(change.kind, client_id)
            notifications = self._notifications(version, change, client_id)
            if own is not None and notifications is not None:
                operation, seen = notifications
                _tell(broker, own, operation, version, seen)

    def _clients(self, change: Change) -> list[str]:
        """Whom a change may concern: the owners, also of what is gone; else every VEN."""
        if change.kind not in topics.OF_A_VEN:
            return []
        bodies = [body for body in (change.body, change.before) if body is not None]
        owners = {str(body["clientID"]) for body in bodies if body.get("clientID") is not None}
        if owners:
            return sorted(owners)
        return [str(ven.get("clientID")) for ven in self._store.select("VEN", limit=MAX_CLIENTS)]

    def _call_back(self, change: Change) -> None:
        if self._stale:
            self._stale = False
            self._subscriptions = self._store.select("SUBSCRIPTION", limit=MAX_CLIENTS)
        for subscription in self._subscriptions:
            if subscription["id"] in self._later:
                continue
            version = VERSIONS[subscription["version"]]
            notifications = self._notifications(
                version, change, subscription["clientID"], partial(_concerns, subscription)
            )
            if notifications is None:
                continue
            operation, seen = notifications
            shown = notification(version, operation, without_tokens(seen))
            for place, operations in enumerate(subscription["objectOperations"]):
                if change.kind in operations["objects"] and operation in operations["operations"]:
                    self._webhooks.tell(
                        subscription["id"],
                        place,
                        client_id=subscription["clientID"],
                        url=operations["callbackUrl"],
                        token=operations.get("bearerToken"),
                        notification=shown,
                    )

    def _notifications(
        self,
        version: Version,
        change: Change,
        client_id: str,
        concerns: Callable[[Wire], bool] = lambda _: True,
    ) -> tuple[str, Wire] | None:
        """What happened, for this client: what it has lost sight of is gone for it."""
        for operation, body in ((change.operation, change.body), ("DELETE", change.before)):
            seen = None if body is None else self._seen(version, body, client_id)
            if seen is not None and concerns(seen):
                return operation, seen
        return None

    def _seen(self, version: Version, body: Wire, client_id: str) -> Wire | None:
        if client_id == self._bl_client_id:
            return body
        return None if self._objects is None else self._objects.seen_by(version, body, client_id)


def _tell(broker: MqttPublisher, place: str, operation: str, version: Version, body: Wire) -> None:
    broker.publish(f"{place}/{operation.lower()}", notification(version, operation, body))


def _concerns(subscription: Wire, body: Wire) -> bool:
    """By program and by targets, which filter what is told like a search."""
    program_id = body["id"] if body["objectType"] == "PROGRAM" else body.get("programID")
    if subscription.get("programID") not in (None, program_id):
        return False
    wanted = flat_targets(subscription.get("targets"))
    return not wanted or not wanted.isdisjoint(flat_targets(body.get("targets")))
