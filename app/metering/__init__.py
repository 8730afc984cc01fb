"""What we meter: the simulator, which is ticked, and the power of the last hour."""

from app.metering.container import MeteringContainer
from app.metering.errors import ProfileError
from app.metering.orders import OrderColumns
from app.metering.power import PowerHistory, PowerPoint
from app.metering.profiles import Profiles, load_profiles
from app.metering.simulator import MeterDataSimulator

__all__ = [
    "MeterDataSimulator",
    "MeteringContainer",
    "OrderColumns",
    "PowerHistory",
    "PowerPoint",
    "ProfileError",
    "Profiles",
    "load_profiles",
]
