"""What the page receives; its views have it by closure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from app.platform import Shard
from app.reporting.delivery import DeliveryStats, RejectedReports
from app.scheduling import TaskScheduler


@dataclass(frozen=True, kw_only=True)
class ShardRow:
    """A shard, as the gateway sees it."""

    number: int
    holder: str | None
    """The process that runs it; None: nobody does."""
    epoch: int | None
    problem: str | None
    """Why it is not ready; None: it is."""
    warnings: Sequence[str] = ()
    vens: int | None = None
    """None: it is not known, as of all that follows."""
    waiting_readings: int | None = None
    power_kw: Mapping[str, float] = field(default_factory=dict)
    """By kind."""
    last_report_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NodeRow:
    """A machine of the cluster that runs the shards."""

    name: str
    address: str
    cpus: int
    """It takes as many shards."""
    shards: Sequence[int]
    """By number."""
    restarts: int
    """Of its shards, since the cluster began."""
    has_gateway: bool
    is_member: bool
    """Whether it takes shards at all."""


@dataclass(frozen=True, kw_only=True)
class GatewayPageServices:
    """What the page of the gateway shows."""

    shards: int
    rows: Callable[[], Sequence[ShardRow]]
    nodes: Callable[[], Sequence[NodeRow]]
    clock: Callable[[], datetime]


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
    shard: Shard
    sends_events: bool
    """Whether the VTN is ours, so that events can be sent from here."""
