"""Orders to real devices: what events ask of them, what they answer, and their way back."""

from app.actuation.actuators import Actuator, ActuatorsFile
from app.actuation.container import ActuationContainer, OrdersContainer
from app.actuation.errors import ActuatorsError
from app.actuation.order import DesiredState, Order, OrderStatus
from app.actuation.overview import OrderRow, OrdersOverview

__all__ = [
    "ActuationContainer",
    "Actuator",
    "ActuatorsError",
    "ActuatorsFile",
    "DesiredState",
    "Order",
    "OrderRow",
    "OrderStatus",
    "OrdersContainer",
    "OrdersOverview",
]
