"""What we are asked: the events of each VEN, and what of them is active."""

from app.events.active import ActivePayload, active_payloads, active_until, by_precedence
from app.events.container import EventsContainer
from app.events.grants import Grants
from app.events.reader import EventReader
from app.events.seen import Granted, PushOutcome, ReadsEvents, SeenEvent
from app.events.store import EventStore
from app.events.sync import EventSync, Synced

__all__ = [
    "ActivePayload",
    "EventReader",
    "EventStore",
    "EventSync",
    "EventsContainer",
    "Granted",
    "Grants",
    "PushOutcome",
    "ReadsEvents",
    "SeenEvent",
    "Synced",
    "active_payloads",
    "active_until",
    "by_precedence",
]
