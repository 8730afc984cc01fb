"""What a report says: values at instants and over intervals, and their JSON."""

from app.reporting.content.due import Due, DueReports
from app.reporting.content.encode import RenderedReport, render, render_readings
from app.reporting.content.instant import (
    MISSING,
    ResourceModel,
    Values,
    select_resources,
    values_of,
)
from app.reporting.content.interval_reports import IntervalReports
from app.reporting.content.metered import Asked, Cell, MeteredIntervals
from app.reporting.content.new_readings import ArrivedRows, Corrected, NewReadings
from app.reporting.content.ports import ReadsArrivals, ReadsMeasurements, SaysOddities
from app.reporting.content.reading_plan import ReadingPlan
from app.reporting.content.readings import Readings
from app.reporting.content.told import (
    AGGREGATE,
    Piece,
    ToldCells,
    number,
    replaced_cells,
    report_of_cells,
)

__all__ = [
    "AGGREGATE",
    "MISSING",
    "ArrivedRows",
    "Asked",
    "Cell",
    "Corrected",
    "Due",
    "DueReports",
    "IntervalReports",
    "MeteredIntervals",
    "NewReadings",
    "Piece",
    "ReadingPlan",
    "Readings",
    "ReadsArrivals",
    "ReadsMeasurements",
    "RenderedReport",
    "ResourceModel",
    "SaysOddities",
    "ToldCells",
    "Values",
    "number",
    "render",
    "render_readings",
    "replaced_cells",
    "report_of_cells",
    "select_resources",
    "values_of",
]
