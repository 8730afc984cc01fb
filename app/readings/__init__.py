"""What was metered: frames of readings in a durable log, and the columns that they have."""

from app.readings.container import ReadingsContainer
from app.readings.detail import Detail
from app.readings.extent import Extent
from app.readings.frame import Frame, Reading, StoreFull
from app.readings.frames import FrameStore
from app.readings.roster import Columns, Float32, Roster, moved, places

__all__ = [
    "Columns",
    "Detail",
    "Extent",
    "Float32",
    "Frame",
    "FrameStore",
    "Reading",
    "ReadingsContainer",
    "Roster",
    "StoreFull",
    "moved",
    "places",
]
