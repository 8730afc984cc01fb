"""What was metered: frames of readings in a durable log, and the columns that they have."""

from app.readings.clock_check import ClockCheck
from app.readings.container import ReadingsContainer
from app.readings.detail import FrameDetail, OrderState
from app.readings.errors import StoreFull
from app.readings.frame import Frame, Reading
from app.readings.log import ReadingLog
from app.readings.ports import AppendsFrames, KeepsFrames, ReadsFrames
from app.readings.roster import Columns, Float32, Roster, column_map, realign

__all__ = [
    "AppendsFrames",
    "ClockCheck",
    "Columns",
    "Float32",
    "Frame",
    "FrameDetail",
    "KeepsFrames",
    "OrderState",
    "Reading",
    "ReadingLog",
    "ReadingsContainer",
    "ReadsFrames",
    "Roster",
    "StoreFull",
    "column_map",
    "realign",
]
