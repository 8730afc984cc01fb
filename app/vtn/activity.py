"""Which events have transpired: what `active=true` leaves out of a search."""

from __future__ import annotations

from datetime import datetime

from app.openadr import ScheduledEvent, WireError, read_event
from app.vtn.wire import Wire


def has_transpired(body: Wire, now: datetime) -> bool:
    """Whether the event is over at `now` for every VEN, wherever randomizeStart puts it.

    One without an end has not, nor one that begins when a VEN first sees it.
    """
    try:
        event = read_event(body)
    except WireError:
        return False
    return ScheduledEvent(event=event, first_seen=now).has_transpired(now)
