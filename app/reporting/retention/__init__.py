"""What is kept of the readings, and for how long."""

from app.reporting.retention.keeper import StoreBounds, StoreKeeper

__all__ = ["StoreBounds", "StoreKeeper"]
