"""How resources answer what their VENs are asked: signals, policies, and the controller."""

from app.control.container import ControlContainer
from app.control.controller import FleetController
from app.control.model import (
    ControlInput,
    ControlModel,
    ControlResult,
    Forecast,
    ResourceArrays,
    Span,
    half_full,
)
from app.control.policies import Policy
from app.control.signals import SignalResolver

__all__ = [
    "ControlContainer",
    "ControlInput",
    "ControlModel",
    "ControlResult",
    "FleetController",
    "Forecast",
    "Policy",
    "ResourceArrays",
    "SignalResolver",
    "Span",
    "half_full",
]
