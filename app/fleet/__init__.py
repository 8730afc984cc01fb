"""Who we are: VENs, resources, and how the VTN comes to know them."""

from app.fleet.container import FleetContainer
from app.fleet.enrolment import Enrolment, EnrolmentResult
from app.fleet.errors import FleetFileError
from app.fleet.fleet_file import read_fleet, write_csv, write_json
from app.fleet.held_vens import HeldVens, HoldsVens
from app.fleet.lost import LostObjects
from app.fleet.model import (
    NOT_METERED,
    SIMULATOR,
    SOURCE_NAME,
    THE_VEN,
    VEN,
    Resource,
    ResourceKind,
    Status,
    VenSummary,
)
from app.fleet.participation import EVERYBODY, OptOut, Participation, SetBy, WhoTakesPart
from app.fleet.repository import FleetRepository
from app.fleet.sample import sample_fleet
from app.fleet.taken_out import remove, take_out
from app.fleet.updates import ResourceUpdates
from app.fleet.whole import WholeFleet

__all__ = [
    "EVERYBODY",
    "NOT_METERED",
    "SIMULATOR",
    "SOURCE_NAME",
    "THE_VEN",
    "VEN",
    "Enrolment",
    "EnrolmentResult",
    "FleetContainer",
    "FleetFileError",
    "FleetRepository",
    "HeldVens",
    "HoldsVens",
    "LostObjects",
    "OptOut",
    "Participation",
    "Resource",
    "ResourceKind",
    "ResourceUpdates",
    "SetBy",
    "Status",
    "VenSummary",
    "WhoTakesPart",
    "WholeFleet",
    "read_fleet",
    "remove",
    "sample_fleet",
    "take_out",
    "write_csv",
    "write_json",
]
