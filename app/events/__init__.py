"""What we are asked: the events of each VEN, their timelines, and how resources answer."""

from app.events.answers import FleetAnswers
from app.events.book import EventBook
from app.events.grants import Grants
from app.events.orders import OrdersMaker
from app.events.policies import Policy
from app.events.standing import Standing, followed, implied_timeline_of, standing, timeline_of

__all__ = [
    "EventBook",
    "FleetAnswers",
    "Grants",
    "OrdersMaker",
    "Policy",
    "Standing",
    "followed",
    "implied_timeline_of",
    "standing",
    "timeline_of",
]
