"""What each stream is asked for now, by the events as they were last told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple
from weakref import WeakValueDictionary

from app.events import SeenEvent
from app.intake import KnownMeters, Metered
from app.reporting.requests import EVERYTHING, ActiveRequest, Quantity, Scope, requests_of
from app.reporting.streams.ports import KnowsMeters
from app.reporting.streams.rows import AnyStream

NO_METERS = KnownMeters(())
Descriptors = Mapping[tuple[str, str], ActiveRequest]


@dataclass(frozen=True, eq=False)
class _Served:
    """What a list of events asks for, which VENs share to whom all of it means the same."""

    seen: Sequence[SeenEvent]
    """Of one of the VENs."""
    descriptors: Descriptors
    lines: Sequence[str]


class _Known(NamedTuple):
    """What was worked out for a VEN."""

    seen: Sequence[SeenEvent]
    metered: bool
    """Whether any resource had a real meter."""
    served: _Served


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
        meters: KnowsMeters,
        reading_type: str | None = None,
    ) -> None:
        self._seen_of = seen_of
        self._meters = meters
        self._reading_type = reading_type
        self._known = NO_METERS
        """Read anew by `refresh`: it is asked for with every stream."""
        self._lock = threading.Lock()
        self._by_ven: dict[str, _Known] = {}
        self._for_all: WeakValueDictionary[object, _Served] = WeakValueDictionary()

    def refresh(self) -> None:
        """Look which resources have real meters now."""
        self._known = self._meters.known()

    @property
    def has_meters(self) -> bool:
        """Whether any resource has a real meter."""
        return self._known.has_any

    def metered(self, ven_name: str) -> Mapping[str, Metered]:
        """The resources of a VEN that have real meters, by name."""
        return self._known.of_ven(ven_name)

    def of_ven(self, ven_name: str) -> tuple[Descriptors, Sequence[str]]:
        """By (event id, descriptor) what is asked, and a line for each that cannot be served."""
        seen, metered = self._seen_of(ven_name), self.metered(ven_name)
        with self._lock:
            known = self._by_ven.get(ven_name)
            if known is None or known.seen is not seen or known.metered != bool(metered):
                served = self._served(seen, has_meters=bool(metered))
                known = self._by_ven[ven_name] = _Known(seen, bool(metered), served)
            return known.served.descriptors, known.served.lines

    def _served(self, seen: Sequence[SeenEvent], *, has_meters: bool) -> _Served:
        # What stands in the key lives as long as what is found by it.
        of_all = tuple((id(event.for_all), event.is_cancelled) for event in seen)
        is_for_all = all(event.for_all is not None for event in seen)
        served = self._for_all.get((has_meters, of_all)) if is_for_all else None
        if served is not None:
            return served
        active_requests: dict[tuple[str, str], ActiveRequest] = {}
        lines: list[str] = []
        for event in seen:
            for active in requests_of(event):
                if not isinstance(active, ActiveRequest):
                    lines.append(f"event {event.event.event_id}: {active}")
                    continue
                for told in self._of_both(active, lines, has_meters=has_meters):
                    key = told.request.event_id, told.request.descriptor
                    active_requests.setdefault(key, self._told(told))
        served = _Served(seen, active_requests, lines)
        if is_for_all:
            self._for_all[has_meters, of_all] = served
        return served

    def _of_both(
        self, active: ActiveRequest, lines: list[str], *, has_meters: bool
    ) -> Iterator[ActiveRequest]:
        """What is told of simulated resources, and what of those with real meters."""
        request = active.request
        what = f"event {request.event_id}: {request.payload_type}"
        is_counted = request.quantity is Quantity.REGISTER
        if is_counted and not has_meters:
            lines.append(f"{what} in {request.units} needs a meter that counts; there is none")
            return
        if has_meters and (
            request.is_forecast
            or not (request.quantity.is_measured or request.quantity.is_described)
        ):
            lines.append(f"{what} is not told of resources with real meters: it is not measured")
        if active.schedule is not None or not is_counted:
            yield active
        is_one_by_one = active.schedule is None and not request.aggregate
        if has_meters and is_one_by_one and request.quantity.is_measured:
            yield replace(active, request=request.measured())

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

    def scope_of(self, stream: AnyStream) -> Scope:
        """The resources that a stream is about.

        Of frames, one by one, nothing is told that a real meter measures; and of measurements, only
        what one does.
        """
        active, request = self.of(stream), stream.request
        scope = EVERYTHING if active is None else active.scope
        if request.is_planned or request.aggregate or request.quantity.is_described:
            return scope
        metered = frozenset(self.metered(stream.ven_name))
        if request.is_measured:
            return Scope(metered if scope.only is None else metered & scope.only)
        return replace(scope, without=metered) if metered else scope
