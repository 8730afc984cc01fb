"""The scheduled tasks. What each needs is a parameter; the container binds it."""

from __future__ import annotations

import logging
from typing import Any, Protocol

logger = logging.getLogger(__name__)


class ManagesVens(Protocol):
    """The VENManager, or what stands in for it."""

    def heartbeat(self) -> None: ...

    def poll_events(self) -> None: ...

    def generate_reports(self) -> int: ...


class TakesReadings(Protocol):
    """The MeterDataSimulator, or what stands in for it."""

    def increase_time(self) -> int: ...

    def get_statistics(self) -> dict[str, Any]: ...


def heartbeat_task(ven_manager: ManagesVens) -> None:
    """Ask the VTN whether it is there, log how the fleet is, and enrol what is pending."""
    ven_manager.heartbeat()


def simulate_meterdata(simulator: TakesReadings) -> int:
    """Take the next reading of every approved resource.

    Returns its index.
    """
    return simulator.increase_time()


def resource_status_checker(simulator: TakesReadings) -> None:
    """Log how many resources are approved, pending and suspended."""
    statistics = simulator.get_statistics()
    logger.info(
        "fleet: %d VENs, %d resources: %d approved, %d pending, %d suspended",
        statistics["total_vens"],
        statistics["total_resources"],
        statistics["total_approved"],
        statistics["total_pending"],
        statistics["total_suspended"],
    )


def generate_reports_task(ven_manager: ManagesVens) -> int:
    """Deliver every reading that is owed.

    Returns how many were acknowledged.
    """
    return ven_manager.generate_reports()


def poll_events_task(ven_manager: ManagesVens) -> None:
    """Learn what the VTN asks."""
    ven_manager.poll_events()
