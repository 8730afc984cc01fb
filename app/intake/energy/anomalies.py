"""What is implausible about measurements, and is said once."""

from __future__ import annotations

import logging
from collections.abc import Collection
from enum import Enum
from typing import Protocol

from app.intake.meters import Metered
from app.platform import LogOnce

logger = logging.getLogger(__name__)


class Anomaly(Enum):
    """What may be implausible about the measurements of a resource."""

    DIFFERENT = "its energy, registers and power differ by more than 5 %; the first of them is told"
    LEFT_OUT = "values of a register are left out: it went back, or rose more than the power allows"
    COARSE = (
        "max_age is shorter than the step of its data: each report waits for it, and is estimated"
    )


class CountsAnomalies(Protocol):
    """Counts what is told."""

    def told(self, source: str, *, differing: bool, left_out: bool) -> None: ...


class AnomalyLog:
    """Says what is implausible about measurements that are told. Safe for several threads."""

    def __init__(self, *, stats: CountsAnomalies, log_once: LogOnce) -> None:
        self._stats = stats
        self._log_once = log_once

    def told(self, metered: Metered, anomalies: Collection[Anomaly]) -> None:
        """An interval of a resource was told."""
        if not anomalies:
            return
        self._stats.told(
            metered.source,
            differing=Anomaly.DIFFERENT in anomalies,
            left_out=Anomaly.LEFT_OUT in anomalies,
        )
        for anomaly in sorted(anomalies, key=lambda each: each.name):
            if anomaly is Anomaly.COARSE:
                line = f"source {metered.source}: {anomaly.value}"
            else:
                line = f"VEN {metered.ven_name}: resource {metered.resource_name}: {anomaly.value}"
            self._log_once(logger, logging.WARNING, line)
