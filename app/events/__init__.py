"""What we are asked: the events of each VEN, and what of them is active."""

from app.events.active import ActivePayload, active_payloads, by_precedence
from app.events.container import EventsContainer
from app.events.grants import Grants
from app.events.seen import Granted, ReadsEvents, SeenEvent, Told
from app.events.store import EventBook

__all__ = [
    "ActivePayload",
    "EventBook",
    "EventsContainer",
    "Granted",
    "Grants",
    "ReadsEvents",
    "SeenEvent",
    "Told",
    "active_payloads",
    "by_precedence",
]
