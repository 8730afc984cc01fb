"""What is seen of a run: logs, traces, histograms, and the graph of the wiring."""

from app.observability import graph
from app.observability.graph import Node, no_wiring
from app.observability.histogram import Histogram
from app.observability.log_context import log_context
from app.observability.logs import configure_logging, is_configured, log_uncaught, writes_json
from app.observability.tracing import NoTracing, OtlpTracing, Tracing

__all__ = [
    "Histogram",
    "NoTracing",
    "Node",
    "OtlpTracing",
    "Tracing",
    "configure_logging",
    "graph",
    "is_configured",
    "log_context",
    "log_uncaught",
    "no_wiring",
    "writes_json",
]
