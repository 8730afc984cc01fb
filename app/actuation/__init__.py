"""Orders to real devices: what events ask of them, what they answer, and their way back."""

from app.actuation.actuators import (
    KEEP_ALIVE_SHARE,
    MIN_VALID_FOR,
    Actuator,
    ActuatorsFile,
    encoded,
    filled,
)
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
    "KEEP_ALIVE_SHARE",
    "MAX_OUTCOME_BYTES",
    "MIN_VALID_FOR",
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
    "filled",
]
