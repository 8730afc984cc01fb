"""What is owed: a cursor for each report that an event asks of a VEN."""

from app.reporting.streams.backlog import Backlog
from app.reporting.streams.hand_over import hand_overs
from app.reporting.streams.losses import DROPPED, EXPIRED, LossCounters
from app.reporting.streams.measured import MeasuredStream
from app.reporting.streams.needs import FrameNeeds
from app.reporting.streams.ports import CountsArrivals, FleetNames, KnowsMeters
from app.reporting.streams.reconcile import StreamReconciler
from app.reporting.streams.request_index import RequestIndex
from app.reporting.streams.rows import AnyStream
from app.reporting.streams.spans import FramePosition
from app.reporting.streams.store import StreamStore, Transition
from app.reporting.streams.stream import (
    FramesInFlight,
    InFlight,
    IntervalsInFlight,
    IntervalStream,
    ReportPosition,
    TelemetryStream,
)

__all__ = [
    "DROPPED",
    "EXPIRED",
    "AnyStream",
    "Backlog",
    "CountsArrivals",
    "FleetNames",
    "FrameNeeds",
    "FramePosition",
    "FramesInFlight",
    "InFlight",
    "IntervalStream",
    "IntervalsInFlight",
    "KnowsMeters",
    "LossCounters",
    "MeasuredStream",
    "ReportPosition",
    "RequestIndex",
    "StreamReconciler",
    "StreamStore",
    "TelemetryStream",
    "Transition",
    "hand_overs",
]
