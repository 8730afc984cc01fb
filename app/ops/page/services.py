"""What the page receives; its views have it by closure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from app.actuation import OrdersOverview
from app.intake import SourceStatuses
from app.metering import MeterDataSimulator, PowerHistory
from app.observability import Node
from app.openadr import VtnHttp
from app.ops.actions import OperatorActions
from app.ops.backlog_history import BacklogHistory
from app.ops.events_view import EventsView
from app.ops.fleet_view import FleetView
from app.ops.health import Readiness
from app.ops.resource_view import ResourceView
from app.ops.token_guard import TokenGuard
from app.reporting.delivery import DeliveryStats, RejectedReports
from app.scheduling import TaskScheduler


@dataclass(frozen=True, kw_only=True)
class PageServices:
    """All that the page shows, and all that it may change."""

    fleet: FleetView
    events: EventsView
    sources: SourceStatuses
    orders: OrdersOverview
    resources: ResourceView
    power: PowerHistory
    scheduler: TaskScheduler
    delivery_stats: DeliveryStats
    rejected_reports: RejectedReports
    backlog_history: BacklogHistory
    waiting: Callable[[], int]
    """Readings that are owed and not acknowledged."""
    simulator: MeterDataSimulator
    http: VtnHttp
    readiness: Callable[[], Readiness]
    actions: OperatorActions
    token_guard: TokenGuard
    wiring: Callable[[], Sequence[Node]]
    clock: Callable[[], datetime]
    sends_events: bool
    """Whether the VTN is ours, so that events can be sent from here."""
