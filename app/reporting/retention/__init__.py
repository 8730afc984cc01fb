"""What is kept of the readings, and for how long."""

from app.reporting.retention.retention import Retention, StoreBounds

__all__ = ["Retention", "StoreBounds"]
