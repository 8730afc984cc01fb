"""What we measure: the meter sources, the simulator, and the durable store of readings."""

from app.fleet import Roster
from app.metering.detail import Detail
from app.metering.extent import Extent
from app.metering.frames import FrameStore
from app.metering.power import PowerHistory, PowerPoint
from app.metering.profiles import ProfileError, Profiles, load_profiles
from app.metering.simulator import MeterDataSimulator
from app.metering.source import Forecast, Frame, MeterSource, Reading, Room, Span, StoreFull

__all__ = [
    "Detail",
    "Extent",
    "Forecast",
    "Frame",
    "FrameStore",
    "MeterDataSimulator",
    "MeterSource",
    "PowerHistory",
    "PowerPoint",
    "ProfileError",
    "Profiles",
    "Reading",
    "Room",
    "Roster",
    "Span",
    "StoreFull",
    "load_profiles",
]
