"""What watches over the others: a VTN that is back, a clock that jumps, a lock that is lost."""

from app.supervision.container import SupervisionContainer
from app.supervision.guards import ClockGuard, OverdueTasks

__all__ = ["ClockGuard", "OverdueTasks", "SupervisionContainer"]
