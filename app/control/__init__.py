"""How resources answer what their VENs are asked: signals, policies, and the controller."""

from app.control.container import ControlContainer
from app.control.controller import FleetAnswers
from app.control.model import Answers, Forecast, Plant, Response, Situation, Span, half_full
from app.control.policies import Policy
from app.control.signals import OrdersMaker

__all__ = [
    "Answers",
    "ControlContainer",
    "FleetAnswers",
    "Forecast",
    "OrdersMaker",
    "Plant",
    "Policy",
    "Response",
    "Situation",
    "Span",
    "half_full",
]
