"""What people and machines look at: health."""

from app.ops.health import Health
from app.ops.server import OpsServer

__all__ = ["Health", "OpsServer"]
