"""Which reports events ask for: descriptors, quantities, and when each report is due."""

from app.reporting.requests.descriptors import ActiveRequest, ReportRequest, requests_of
from app.reporting.requests.quantities import DATA_QUALITY, TOLD_OF, Quantity
from app.reporting.requests.schedule import DueReport
from app.reporting.requests.scope import EVERYTHING, Scope

__all__ = [
    "DATA_QUALITY",
    "EVERYTHING",
    "TOLD_OF",
    "ActiveRequest",
    "DueReport",
    "Quantity",
    "ReportRequest",
    "Scope",
    "requests_of",
]
