"""How the fleet answers the active events: signals, policies, limits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import datetime

from app.control.model import ControlInput, ControlResult, ResourceArrays
from app.control.responder import Responder
from app.control.signals import ControlSignals, SignalResolver
from app.events import EventStore, SeenEvent, by_precedence
from app.platform import LogOnce

logger = logging.getLogger(__name__)


class FleetController:
    """ControlModel for all resources at once; what is asked is worked out when it may have changed.

    Safe for several threads.
    """

    def __init__(
        self,
        *,
        events: EventStore,
        resolver: SignalResolver,
        responder: Responder,
        log_once: LogOnce,
    ) -> None:
        self._events = events
        self._log_once = log_once
        self._resolver = resolver
        self._responder = responder
        self.comfort_h = responder.comfort_h
        self._lock = threading.Lock()
        self._revision = -1
        self._by_precedence: dict[str, Sequence[SeenEvent]] = {}
        self._resources: ResourceArrays | None = None
        self._signals: ControlSignals | None = None
        self._made_at: datetime | None = None
        self._active: dict[str, int] = {}

    def answer(self, resources: ResourceArrays, inputs: ControlInput) -> ControlResult:
        """What these resources are asked to do."""
        signals = self._signals_for(resources, inputs.now)
        self._log_unsupported(resources, signals)
        return self._responder.respond(resources, inputs, signals)

    def _signals_for(self, resources: ResourceArrays, now: datetime) -> ControlSignals:
        with self._lock:
            if self._events.revision != self._revision:
                self._revision = self._events.revision
                self._by_precedence.clear()
                self._signals = None
            if resources.is_part:
                return self._resolver.make(resources, self._events_of, now)
            if resources is not self._resources:
                self._resources, self._signals = resources, None
            signals = self._signals
            if signals is None or not self._holds(signals, now):
                signals = self._resolver.make(resources, self._events_of, now)
                self._signals, self._made_at = signals, now
                self._log_what_changed(signals.resources_per_type())
            return signals

    def _holds(self, signals: ControlSignals, now: datetime) -> bool:
        """Whether these are of this instant, too; a clock may go back."""
        if self._made_at is None or now < self._made_at:
            return False
        return signals.holds_until is None or now < signals.holds_until

    def _events_of(self, ven_name: str) -> Sequence[SeenEvent]:
        if ven_name not in self._by_precedence:
            self._by_precedence[ven_name] = by_precedence(self._events.of_ven(ven_name))
        return self._by_precedence[ven_name]

    def _log_what_changed(self, now: dict[str, int]) -> None:
        """One line when something else is active than before."""
        if now != self._active:
            text = "; ".join(f"{kind} for {count} resources" for kind, count in sorted(now.items()))
            logger.info("active: %s", text or "nothing")
        self._active = now

    def _log_unsupported(self, resources: ResourceArrays, signals: ControlSignals) -> None:
        """Each active payload type that is not followed, once per event."""
        for event_id, kind in signals.unsupported:
            self._log_unsupported_once(event_id, kind, "its type, units or value is not supported")
        for kind, (event_id, asked_as) in signals.asked_by.items():
            cannot = [
                name
                for name in resources.of_kind
                if kind not in self._responder.policies[name].follows
            ]
            if cannot:
                self._log_unsupported_once(
                    event_id, asked_as, f"{', '.join(cannot)} cannot follow it"
                )

    def _log_unsupported_once(self, event_id: str, kind: str, words: str) -> None:
        line = f"event {event_id}: {kind}: {words}"
        self._log_once(
            logger, logging.INFO, line, about=f"event {event_id}: {kind} is not followed"
        )
