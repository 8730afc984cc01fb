"""What is kept of the readings, and for how long."""

from app.reporting.retention.retention import KeepsArrivals, Retention, StoreBounds

__all__ = ["KeepsArrivals", "Retention", "StoreBounds"]
