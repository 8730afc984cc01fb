"""What people and machines look at: the page, health, metrics; and what people may change there."""

from app.ops.access import Access
from app.ops.actions import OperatorActions
from app.ops.audit import AuditLog
from app.ops.container import OpsContainer
from app.ops.events_view import EventsView
from app.ops.fleet_view import FleetView
from app.ops.health import Health
from app.ops.metrics import Metrics
from app.ops.page import GatewayPageServices, NodeRow, ShardRow, make_gateway_page
from app.ops.server import MAX_REQUESTS, PROBES, OpsServer
from app.ops.throttled import ThrottledValue

__all__ = [
    "MAX_REQUESTS",
    "PROBES",
    "Access",
    "AuditLog",
    "EventsView",
    "FleetView",
    "GatewayPageServices",
    "Health",
    "Metrics",
    "NodeRow",
    "OperatorActions",
    "OpsContainer",
    "OpsServer",
    "ShardRow",
    "ThrottledValue",
    "make_gateway_page",
]
