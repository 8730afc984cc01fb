"""Who we are: VENs, resources, the fleet database, and the VENs at their VTN."""

from app.fleet.database import Database, DatabaseError, DatabaseUrlError, make_engine
from app.fleet.enrolment import Enrolment, EnrolmentResult, Progress, no_progress
from app.fleet.exchange import FleetFileError, read_fleet, write_csv, write_json
from app.fleet.fanout import for_each
from app.fleet.manager import SeenEvent, VENManager
from app.fleet.model import VEN, Resource, ResourceKind, Status, VenSummary
from app.fleet.repository import FleetRepository
from app.fleet.sample import sample_fleet

__all__ = [
    "VEN",
    "Database",
    "DatabaseError",
    "DatabaseUrlError",
    "Enrolment",
    "EnrolmentResult",
    "FleetFileError",
    "FleetRepository",
    "Progress",
    "Resource",
    "ResourceKind",
    "SeenEvent",
    "Status",
    "VENManager",
    "VenSummary",
    "for_each",
    "make_engine",
    "no_progress",
    "read_fleet",
    "sample_fleet",
    "write_csv",
    "write_json",
]
