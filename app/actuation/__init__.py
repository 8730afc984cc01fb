"""Orders to real devices: what events ask of them, what they answer, and their way back."""

from app.actuation.actuators import Actuator, ActuatorsFile, encoded
from app.actuation.container import ActuationContainer, OrdersContainer
from app.actuation.errors import ActuatorsError
from app.actuation.order import (
    MAX_OUTCOME_BYTES,
    DesiredState,
    Order,
    OrderStatus,
    Outcome,
    OutcomeStatus,
)
from app.actuation.overview import OrderRow, OrdersOverview

__all__ = [
    "MAX_OUTCOME_BYTES",
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
    "Outcome",
    "OutcomeStatus",
    "encoded",
]
