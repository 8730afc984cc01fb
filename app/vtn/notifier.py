"""Tells clients of changes: by MQTT, and by the webhooks of their subscriptions."""

from __future__ import annotations

import logging
import queue
import threading

from app.vtn import topics
from app.vtn.mqtt import MqttPublisher
from app.vtn.objects import Change, Objects, without_tokens
from app.vtn.store import VtnStore
from app.vtn.versions import Version, Version301, Version310, flat_targets, notification
from app.vtn.webhooks import Webhooks
from app.vtn.wire import Wire

logger = logging.getLogger(__name__)

MOST_WAITING = 10_000
MOST_CLIENTS = 100_000
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
        webhooks: Webhooks,
        broker: MqttPublisher | None,
        bl_client_id: str,
    ) -> None:
        self._store = store
        self._webhooks = webhooks
        self._broker = broker
        self._bl_client_id = bl_client_id
        self._objects: Objects | None = None
        self._waiting: queue.Queue[Change | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._subscriptions: list[Wire] | None = None
        """Read when they were changed, and not for each report that comes in."""

    def start(self, objects: Objects) -> None:
        """Begin; `objects` knows who may see what."""
        self._objects = objects
        if self._broker is not None:
            self._broker.start()
        self._thread = threading.Thread(target=self._run, name="notifier", daemon=True)
        self._thread.start()

    def changed(self, change: Change) -> None:
        """A change that was stored; told soon."""
        try:
            self._waiting.put_nowait(change)
        except queue.Full:
            logger.warning("VTN: too many changes at once; one is not told")

    def close(self) -> None:
        """May be called again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join(1.0)
        if self._broker is not None:
            self._broker.close()
        self._webhooks.close()

    def _run(self) -> None:
        while (change := self._waiting.get()) is not None:
            try:
                if self._broker is not None:
                    self._publish(self._broker, change)
                self._call_back(change)
            except Exception:
                logger.exception("VTN: a %s of a %s was not told", change.operation, change.kind)

    def _publish(self, broker: MqttPublisher, change: Change) -> None:
        told = notification(VERSIONS["3.1.0"], change.operation, without_tokens(change.body))
        for topic in topics.for_everyone(change):
            broker.publish(topic, told)
        if change.kind not in topics.OF_A_VEN:
            return
        for client_id in self._clients(change):
            own = topics.for_client(change, client_id)
            seen = self._seen(VERSIONS["3.1.0"], change.body, client_id)
            if own is not None and seen is not None:
                broker.publish(own, notification(VERSIONS["3.1.0"], change.operation, seen))

    def _clients(self, change: Change) -> list[str]:
        """Whom a change may concern: the owner, also of what is gone; else every VEN."""
        owner = change.body.get("clientID")
        if owner is not None:
            return [str(owner)]
        return [str(ven.get("clientID")) for ven in self._store.select("VEN", limit=MOST_CLIENTS)]

    def _call_back(self, change: Change) -> None:
        if change.kind == "SUBSCRIPTION":
            self._subscriptions = None
            if change.operation != "CREATE":
                self._webhooks.forget(change.body["id"])
        if self._subscriptions is None:
            self._subscriptions = self._store.select("SUBSCRIPTION", limit=MOST_CLIENTS)
        for subscription in self._subscriptions:
            version = VERSIONS[subscription["version"]]
            seen = self._seen(version, change.body, subscription["clientID"])
            if seen is None or not _concerns(subscription, seen):
                continue
            told = notification(version, change.operation, without_tokens(seen))
            for place, each in enumerate(subscription["objectOperations"]):
                if change.kind in each["objects"] and change.operation in each["operations"]:
                    self._webhooks.tell(
                        subscription["id"],
                        place,
                        each["callbackUrl"],
                        each.get("bearerToken"),
                        told,
                    )

    def _seen(self, version: Version, body: Wire, client_id: str) -> Wire | None:
        if client_id == self._bl_client_id:
            return body
        return None if self._objects is None else self._objects.seen_by(version, body, client_id)


def _concerns(subscription: Wire, body: Wire) -> bool:
    """By program and by targets, which filter what is told like a search."""
    program_id = body["id"] if body["objectType"] == "PROGRAM" else body.get("programID")
    if subscription.get("programID") not in (None, program_id):
        return False
    wanted = flat_targets(subscription.get("targets"))
    return not wanted or not wanted.isdisjoint(flat_targets(body.get("targets")))
