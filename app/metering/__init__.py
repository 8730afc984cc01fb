"""What we measure: the meter sources, the simulator, and the durable store of readings."""

from app.metering.detail import Detail
from app.metering.extent import Extent
from app.metering.frames import FrameStore
from app.metering.power import PowerHistory
from app.metering.profiles import ProfileError, Profiles, load_profiles
from app.metering.simulator import MeterDataSimulator
from app.metering.source import Forecast, Frame, Span, StoreFull

__all__ = [
    "Detail",
    "Extent",
    "Forecast",
    "Frame",
    "FrameStore",
    "MeterDataSimulator",
    "PowerHistory",
    "ProfileError",
    "Profiles",
    "Span",
    "StoreFull",
    "load_profiles",
]
