"""How reports get to the VTN: built, sent, looked up, and rejected."""

from app.reporting.delivery.batch import BatchSender, ClientFor
from app.reporting.delivery.batching import SizeLimits
from app.reporting.delivery.builder import ReportBuilder
from app.reporting.delivery.debts import Debts
from app.reporting.delivery.divisions import RefusedResources
from app.reporting.delivery.duplicates import DuplicateSweeper
from app.reporting.delivery.metered_reports import (
    NOT_TOLD_IN_TIME,
    ChangedSpan,
    MeteredReport,
    MeteredReports,
)
from app.reporting.delivery.outgoing import DeliveryOutcome, Fate
from app.reporting.delivery.rejected import RejectedReport, RejectedReports
from app.reporting.delivery.resend import Resender
from app.reporting.delivery.sender import ReportSender
from app.reporting.delivery.service import DeliveryService
from app.reporting.delivery.settlement import Settlement
from app.reporting.delivery.stats import DeliveryStats, VenDelivery
from app.reporting.delivery.takeover import Takeover

__all__ = [
    "NOT_TOLD_IN_TIME",
    "BatchSender",
    "ChangedSpan",
    "ClientFor",
    "Debts",
    "DeliveryOutcome",
    "DeliveryService",
    "DeliveryStats",
    "DuplicateSweeper",
    "Fate",
    "MeteredReport",
    "MeteredReports",
    "RefusedResources",
    "RejectedReport",
    "RejectedReports",
    "ReportBuilder",
    "ReportSender",
    "Resender",
    "Settlement",
    "SizeLimits",
    "Takeover",
    "VenDelivery",
]
