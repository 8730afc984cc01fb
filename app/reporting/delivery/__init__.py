"""How reports get to the VTN: built, sent, looked up, and rejected."""

from app.reporting.delivery.batch import BatchSender
from app.reporting.delivery.batching import SizeLimits
from app.reporting.delivery.builder import ReportBuilder
from app.reporting.delivery.debts import Debts
from app.reporting.delivery.divisions import RefusedResources
from app.reporting.delivery.duplicates import DuplicateSweeper
from app.reporting.delivery.rejected import RejectedReport, RejectedReports
from app.reporting.delivery.resend import Resender
from app.reporting.delivery.sender import ReportSender
from app.reporting.delivery.service import DeliveryService
from app.reporting.delivery.settlement import Settlement
from app.reporting.delivery.stats import DeliveryStats, VenDelivery

__all__ = [
    "BatchSender",
    "Debts",
    "DeliveryService",
    "DeliveryStats",
    "DuplicateSweeper",
    "RefusedResources",
    "RejectedReport",
    "RejectedReports",
    "ReportBuilder",
    "ReportSender",
    "Resender",
    "Settlement",
    "SizeLimits",
    "VenDelivery",
]
