"""Who we are: VENs, resources, the fleet database, and the VENs at their VTN."""

from app.fleet.columns import Answers, Plant, Response, Roster, Situation, half_full, moved, places
from app.fleet.enrolment import Enrolment
from app.fleet.exchange import FleetFileError, read_fleet, write_csv, write_json
from app.fleet.held_vens import HeldVens
from app.fleet.lost import LostObjects
from app.fleet.manager import VENManager
from app.fleet.model import THE_VEN, VEN, Resource, ResourceKind, Status, VenSummary
from app.fleet.poll_plan import PollPlan
from app.fleet.removals import Removal, Removals
from app.fleet.repository import FleetRepository
from app.fleet.sample import sample_fleet
from app.fleet.seen import Granted, SeenEvent, Told
from app.fleet.updates import ResourceUpdates

__all__ = [
    "THE_VEN",
    "VEN",
    "Answers",
    "Enrolment",
    "FleetFileError",
    "FleetRepository",
    "Granted",
    "HeldVens",
    "LostObjects",
    "Plant",
    "PollPlan",
    "Removal",
    "Removals",
    "Resource",
    "ResourceKind",
    "ResourceUpdates",
    "Response",
    "Roster",
    "SeenEvent",
    "Situation",
    "Status",
    "Told",
    "VENManager",
    "VenSummary",
    "half_full",
    "moved",
    "places",
    "read_fleet",
    "sample_fleet",
    "write_csv",
    "write_json",
]
