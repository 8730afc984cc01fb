"""What is owed: a cursor for each report that an event asks of a VEN."""

from app.reporting.streams.losses import DROPPED, Tally
from app.reporting.streams.model import InFlight, Position, Stream, passed
from app.reporting.streams.reconcile import FleetNames, Obligations
from app.reporting.streams.request_index import Agenda
from app.reporting.streams.store import StreamLedger

__all__ = [
    "DROPPED",
    "Agenda",
    "FleetNames",
    "InFlight",
    "Obligations",
    "Position",
    "Stream",
    "StreamLedger",
    "Tally",
    "passed",
]
