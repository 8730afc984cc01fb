"""What we are asked: the events of each VEN, and what of them is active."""

from app.events.active import (
    Followed,
    Standing,
    followed,
    implied_timeline_of,
    standing,
    timeline_of,
)
from app.events.container import EventsContainer
from app.events.grants import Grants
from app.events.seen import Granted, ReadsEvents, SeenEvent, Told
from app.events.store import EventBook

__all__ = [
    "EventBook",
    "EventsContainer",
    "Followed",
    "Granted",
    "Grants",
    "ReadsEvents",
    "SeenEvent",
    "Standing",
    "Told",
    "followed",
    "implied_timeline_of",
    "standing",
    "timeline_of",
]
