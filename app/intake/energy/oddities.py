"""What is odd about measurements, and is said once."""

from __future__ import annotations

import logging
from collections.abc import Collection
from enum import Enum
from typing import Protocol

from app.intake.meters import Metered
from app.platform import LogOnce

logger = logging.getLogger(__name__)


class Oddity(Enum):
    """What may be odd about the measurements of a resource."""

    DIFFERENT = "its energy, registers and power differ by more than 5 %; the first of them is told"
    LEFT_OUT = "values of a register are left out: it went back, or rose more than the power allows"
    COARSE = (
        "max_age is shorter than the step of its data: each report waits for it, and is estimated"
    )


class CountsOddities(Protocol):
    """Counts what is told."""

    def told(self, source: str, *, differing: bool, left_out: bool) -> None: ...


class OddityLog:
    """Says what is odd about measurements that are told. Safe for several threads."""

    def __init__(self, *, stats: CountsOddities, log_once: LogOnce) -> None:
        self._stats = stats
        self._log_once = log_once

    def told(self, metered: Metered, oddities: Collection[Oddity]) -> None:
        """An interval of a resource was told."""
        if not oddities:
            return
        self._stats.told(
            metered.source,
            differing=Oddity.DIFFERENT in oddities,
            left_out=Oddity.LEFT_OUT in oddities,
        )
        for oddity in sorted(oddities, key=lambda each: each.name):
            if oddity is Oddity.COARSE:
                line = f"source {metered.source}: {oddity.value}"
            else:
                line = f"VEN {metered.ven_name}: resource {metered.resource_name}: {oddity.value}"
            self._log_once(logger, logging.WARNING, line)
