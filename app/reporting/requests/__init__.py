"""Which reports events ask for: descriptors, quantities, and when each report is due."""

from app.reporting.requests.descriptors import ActiveRequest, ReportRequest, requests_of
from app.reporting.requests.quantities import DATA_QUALITY, Quantity
from app.reporting.requests.schedule import DueReport

__all__ = ["DATA_QUALITY", "ActiveRequest", "DueReport", "Quantity", "ReportRequest", "requests_of"]
