"""Measurements that are posted: `POST /readings`, and what is missing: `GET /readings/gaps`."""

from app.intake.http.outcomes import TakesOutcomes
from app.intake.http.server import IntakeServer, NotServed

__all__ = ["IntakeServer", "NotServed", "TakesOutcomes"]
