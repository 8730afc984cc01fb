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
from app.control.policies import BY_STRENGTH, IDLE_KW, LIMITS, RECOVERY_H, Policy
from app.control.responder import Responder
from app.control.signals import ControlSignals, SignalResolver

__all__ = [
    "BY_STRENGTH",
    "IDLE_KW",
    "LIMITS",
    "RECOVERY_H",
    "ControlContainer",
    "ControlInput",
    "ControlModel",
    "ControlResult",
    "ControlSignals",
    "FleetController",
    "Forecast",
    "Policy",
    "ResourceArrays",
    "Responder",
    "SignalResolver",
    "Span",
    "half_full",
]
