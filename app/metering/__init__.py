"""What we measure: the meter sources, the simulator, and the durable store of readings."""

from app.metering.frames import Extent, FrameStore
from app.metering.profiles import ProfileError, Profiles, load_profiles
from app.metering.simulator import MeterDataSimulator
from app.metering.source import Frame, MeterSource, Reading, Room, Roster, StoreFull

__all__ = [
    "Extent",
    "Frame",
    "FrameStore",
    "MeterDataSimulator",
    "MeterSource",
    "ProfileError",
    "Profiles",
    "Reading",
    "Room",
    "Roster",
    "StoreFull",
    "load_profiles",
]
