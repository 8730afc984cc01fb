"""Which events have transpired: what `active=true` leaves out of a search."""

from __future__ import annotations

from datetime import datetime

from app.openadr import YEAR_1, Event, WireError, read_event
from app.vtn.wire import Wire


def has_transpired(body: Wire, now: datetime) -> bool:
    """Whether the event ended before `now`; one without an end that is known has not."""
    try:
        ends_at = _end(read_event(body))
    except WireError:
        return False
    return ends_at is not None and ends_at <= now


def _end(event: Event) -> datetime | None:
    if event.period is None or event.period.start is None or event.period.start == YEAR_1:
        return None
    if event.duration:
        return event.duration.after(event.period.start)
    ends_at: datetime | None = event.period.start
    for interval in event.intervals:
        own = interval.period
        if own is not None and own.start is not None:
            ends_at = own.start
        lasts = (own.duration if own else None) or event.period.duration
        if not lasts or ends_at is None or ends_at == YEAR_1:
            return None
        ends_at = lasts.after(ends_at)
    return ends_at if event.intervals else None
