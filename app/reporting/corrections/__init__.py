"""What changed after it was told, or came after its report was due."""

from app.reporting.corrections.changes import ChangedReports, FollowsArrivals
from app.reporting.corrections.corrections import Corrections

__all__ = ["ChangedReports", "Corrections", "FollowsArrivals"]
