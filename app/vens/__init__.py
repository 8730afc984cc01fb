"""The VENs at work: enrolment, events and reports of the fleet at its VTN."""

from app.vens.container import VensContainer
from app.vens.manager import VENManager
from app.vens.poll_schedule import PlansPolls, PollPlan
from app.vens.push_trust import PushTrust
from app.vens.removals import Removal, Removals

__all__ = [
    "PlansPolls",
    "PollPlan",
    "PushTrust",
    "Removal",
    "Removals",
    "VENManager",
    "VensContainer",
]
