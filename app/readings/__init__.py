"""What was metered: frames of readings in a durable log, and the columns that they have."""

from app.readings.container import ReadingsContainer
from app.readings.detail import Detail
from app.readings.extent import Extent
from app.readings.frame import Frame, Reading, StoreFull
from app.readings.frames import FrameStore
from app.readings.ports import AppendsFrames, KeepsFrames, ReadsFrames
from app.readings.roster import Columns, Float32, Roster, moved, places

__all__ = [
    "AppendsFrames",
    "Columns",
    "Detail",
    "Extent",
    "Float32",
    "Frame",
    "FrameStore",
    "KeepsFrames",
    "Reading",
    "ReadingsContainer",
    "ReadsFrames",
    "Roster",
    "StoreFull",
    "moved",
    "places",
]
