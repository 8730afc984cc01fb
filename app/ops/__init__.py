"""What people and machines look at: the page, health, metrics; and what people may change there."""

from app.ops.audit import AuditLog
from app.ops.backlog import Backlog
from app.ops.clock import ClockCheck
from app.ops.events_view import EventsView
from app.ops.fleet_view import FleetView
from app.ops.gate import Gatekeeper
from app.ops.health import Health
from app.ops.metrics import Metrics
from app.ops.page import make_page
from app.ops.page.services import PageServices
from app.ops.seldom import Seldom
from app.ops.server import NoOps, OpsServer
from app.ops.steering import Steering

__all__ = [
    "AuditLog",
    "Backlog",
    "ClockCheck",
    "EventsView",
    "FleetView",
    "Gatekeeper",
    "Health",
    "Metrics",
    "NoOps",
    "OpsServer",
    "PageServices",
    "Seldom",
    "Steering",
    "make_page",
]
