"""What we owe: which reports are due, how one is built, how it is delivered."""

from app.reporting.desk import ReportDesk
from app.reporting.ledger import StreamLedger

__all__ = ["ReportDesk", "StreamLedger"]
