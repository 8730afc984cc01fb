"""What we owe: which reports are due, how one is built, how it is delivered."""

from app.reporting.agenda import Agenda
from app.reporting.debts import Debts
from app.reporting.desk import ReportDesk
from app.reporting.doubles import SecondLooks
from app.reporting.journal import DeliveryJournal, VenDelivery
from app.reporting.keeper import StoreBounds, StoreKeeper
from app.reporting.ledger import StreamLedger
from app.reporting.obligations import Obligations
from app.reporting.outbox import Outbox, SetAside
from app.reporting.parts import RefusedResources
from app.reporting.planned import PlannedReports
from app.reporting.planner import ReportPlanner
from app.reporting.post import ReportPost
from app.reporting.resend import Resender
from app.reporting.sender import ReportSender
from app.reporting.tally import Tally

__all__ = [
    "Agenda",
    "Debts",
    "DeliveryJournal",
    "Obligations",
    "Outbox",
    "PlannedReports",
    "RefusedResources",
    "ReportDesk",
    "ReportPlanner",
    "ReportPost",
    "ReportSender",
    "Resender",
    "SecondLooks",
    "SetAside",
    "StoreBounds",
    "StoreKeeper",
    "StreamLedger",
    "Tally",
    "VenDelivery",
]
