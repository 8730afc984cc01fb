"""What we are asked: the events of each VEN, their timelines, and how resources answer."""

from app.events.answers import FleetAnswers
from app.events.book import EventBook
from app.events.orders import OrdersMaker
from app.events.policies import (
    Battery,
    EvCharger,
    Fixed,
    Flexible,
    Group,
    HeatPump,
    Photovoltaic,
    Policy,
    Refrigeration,
    Thermal,
    Ventilation,
    WaterHeater,
)
from app.events.standing import (
    Standing,
    followed,
    implied_timeline_of,
    standing,
    timeline_of,
)
from app.events.timeline import Interval, Timeline

__all__ = [
    "Battery",
    "EvCharger",
    "EventBook",
    "Fixed",
    "FleetAnswers",
    "Flexible",
    "Group",
    "HeatPump",
    "Interval",
    "OrdersMaker",
    "Photovoltaic",
    "Policy",
    "Refrigeration",
    "Standing",
    "Thermal",
    "Timeline",
    "Ventilation",
    "WaterHeater",
    "followed",
    "implied_timeline_of",
    "standing",
    "timeline_of",
]
