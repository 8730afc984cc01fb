"""What each stream is asked for now, by the events as they were last told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from app.events import SeenEvent
from app.reporting.requests import ActiveRequest, requests_of
from app.reporting.streams.rows import AnyStream

Descriptors = Mapping[tuple[str, str], ActiveRequest]


class RequestIndex:
    """The requests of every VEN's events, worked out once for each list of events.

    `seen_of` gives a VEN's events, and the same list as long as nothing changed; also after a
    restart, before the VTN was asked. `reading_type`: what readings are called whatever is usual;
    None: nothing else. Safe for several threads.
    """

    def __init__(
        self,
        seen_of: Callable[[str], Sequence[SeenEvent]],
        *,
        reading_type: str | None = None,
    ) -> None:
        self._seen_of = seen_of
        self._reading_type = reading_type
        self._lock = threading.Lock()
        self._by_ven: dict[str, tuple[Sequence[SeenEvent], Descriptors, Sequence[str]]] = {}

    def of_ven(self, ven_name: str) -> tuple[Descriptors, Sequence[str]]:
        """By (event id, descriptor) what is asked, and a line for each that cannot be served."""
        seen = self._seen_of(ven_name)
        with self._lock:
            known = self._by_ven.get(ven_name)
            if known is None or known[0] is not seen:
                active_requests: dict[tuple[str, str], ActiveRequest] = {}
                lines: list[str] = []
                for event in seen:
                    for active in requests_of(event):
                        if isinstance(active, ActiveRequest):
                            key = active.request.event_id, active.request.descriptor
                            active_requests.setdefault(key, self._told(active))
                        else:
                            lines.append(f"event {event.event.event_id}: {active}")
                known = self._by_ven[ven_name] = seen, active_requests, lines
            return known[1], known[2]

    def _told(self, active: ActiveRequest) -> ActiveRequest:
        request = active.request
        if self._reading_type is None or request.is_forecast or request.reading_type is None:
            return active
        return replace(active, request=replace(request, reading_type=self._reading_type))

    def event_ids(self, ven_name: str) -> frozenset[str]:
        """All events of the VEN, also those that ask for no report."""
        return frozenset(seen.event.event_id for seen in self._seen_of(ven_name))

    def of(self, stream: AnyStream) -> ActiveRequest | None:
        """What a stream is asked for; None: its event no longer asks for it."""
        return self.of_ven(stream.ven_name)[0].get(stream.asks)

    def scope_of(self, stream: AnyStream) -> frozenset[str] | None:
        """The resources that a stream is about; None: all of the VEN's."""
        active = self.of(stream)
        return None if active is None else active.scope
