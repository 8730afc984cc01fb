"""How reports get to the VTN: built, sent, looked up, and rejected."""

from app.reporting.delivery.builder import ReportPlanner
from app.reporting.delivery.debts import Debts
from app.reporting.delivery.duplicates import SecondLooks
from app.reporting.delivery.parts import RefusedResources
from app.reporting.delivery.post import ReportPost
from app.reporting.delivery.rejected import Outbox, SetAside
from app.reporting.delivery.resend import Resender
from app.reporting.delivery.sender import ReportSender
from app.reporting.delivery.service import ReportDesk
from app.reporting.delivery.stats import DeliveryJournal, VenDelivery

__all__ = [
    "Debts",
    "DeliveryJournal",
    "Outbox",
    "RefusedResources",
    "ReportDesk",
    "ReportPlanner",
    "ReportPost",
    "ReportSender",
    "Resender",
    "SecondLooks",
    "SetAside",
    "VenDelivery",
]
