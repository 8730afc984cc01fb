"""What a report says: values at instants and over intervals, and their JSON."""

from app.reporting.content.encode import RenderedReport, render
from app.reporting.content.instant import (
    MISSING,
    ResourceModel,
    Values,
    select_resources,
    values_of,
)
from app.reporting.content.interval_reports import Due, IntervalReports

__all__ = [
    "MISSING",
    "Due",
    "IntervalReports",
    "RenderedReport",
    "ResourceModel",
    "Values",
    "render",
    "select_resources",
    "values_of",
]
