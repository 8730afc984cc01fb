"""What people and machines look at: the page, health, metrics; and what people may change there."""

from app.ops.actions import OperatorActions
from app.ops.audit import AuditLog
from app.ops.container import OpsContainer
from app.ops.events_view import EventsView
from app.ops.fleet_view import FleetView
from app.ops.health import Health
from app.ops.metrics import Metrics
from app.ops.server import OpsServer
from app.ops.throttled import ThrottledValue

__all__ = [
    "AuditLog",
    "EventsView",
    "FleetView",
    "Health",
    "Metrics",
    "OperatorActions",
    "OpsContainer",
    "OpsServer",
    "ThrottledValue",
]
