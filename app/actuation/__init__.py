"""Orders to real devices: what events ask of them, what they answer, and their way back."""

from app.actuation.actuators import Actuator, ActuatorsFile
from app.actuation.container import ActuationContainer, OrdersContainer
from app.actuation.errors import ActuatorsError

__all__ = [
    "ActuationContainer",
    "Actuator",
    "ActuatorsError",
    "ActuatorsFile",
    "OrdersContainer",
]
