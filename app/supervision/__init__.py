"""What watches over the others: a VTN that is back, a clock that jumps, a lock that is lost."""

from app.supervision.guards import ClockGuard, OverdueTasks
from app.supervision.lock_guard import RunLockGuard
from app.supervision.recovery import Recovery

__all__ = ["ClockGuard", "OverdueTasks", "Recovery", "RunLockGuard"]
