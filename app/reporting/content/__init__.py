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
from app.reporting.content.new_readings import ArrivalRange, ArrivedRows, Corrected, NewReadings
from app.reporting.content.ports import LogsAnomalies, ReadsArrivals, ReadsMeasurements
from app.reporting.content.reading_plan import ReadingPlan
from app.reporting.content.readings import Readings
from app.reporting.content.told import (
    AGGREGATE,
    Piece,
    ToldCells,
    cells_of_report,
    number,
    replaced_cells,
    report_of_cells,
)

__all__ = [
    "AGGREGATE",
    "MISSING",
    "ArrivalRange",
    "ArrivedRows",
    "Asked",
    "Cell",
    "Corrected",
    "Due",
    "DueReports",
    "IntervalReports",
    "LogsAnomalies",
    "MeteredIntervals",
    "NewReadings",
    "Piece",
    "ReadingPlan",
    "Readings",
    "ReadsArrivals",
    "ReadsMeasurements",
    "RenderedReport",
    "ResourceModel",
    "ToldCells",
    "Values",
    "cells_of_report",
    "number",
    "render",
    "render_readings",
    "replaced_cells",
    "report_of_cells",
    "select_resources",
    "values_of",
]
