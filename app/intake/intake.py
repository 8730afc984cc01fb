"""Takes measurements: from here on they are durable, and each is there once."""

from __future__ import annotations

from collections import Counter

from app.intake.admission import Admission, WhenLate
from app.intake.measurement import Measurements, Receipt, Refusals
from app.intake.refusal_log import QUOTED
from app.intake.sources import Source
from app.intake.status import OTHERS, IntakeStats
from app.intake.store import MeasurementLog
from app.intake.unknown import UnknownDevices


class Intake:
    """Where live sources hand in what they have. Safe for several threads."""

    def __init__(
        self,
        *,
        log: MeasurementLog,
        admission: Admission,
        unknown: UnknownDevices,
        stats: IntakeStats,
    ) -> None:
        self._log = log
        self._stats = stats
        self._admission = admission
        self._unknown = unknown

    def take(self, batch: Measurements, source: Source) -> Receipt:
        """Store what is new of it, in one transaction, and return when it is durable.

        What is refused is named in the receipt, and the rest is taken. A batch that is handed in
        again doubles nothing. IntakeFull, ClockInDoubt: nothing is taken. DatabaseError: it may be
        taken all the same.
        """
        admitted = self._admission.admit(
            batch, source=source.name, late=source.late, when_late=WhenLate.COUNT
        )
        self._unknown.note(source.name, admitted.unknown)
        judged = self._log.take(admitted.arrival)
        receipt = admitted.settled(judged)
        self._stats.record(source.name, receipt)
        return receipt

    def refused(self, refusals: Refusals, source: Source) -> None:
        """Count what was refused of a batch, here or where it was read."""
        reasons = Counter(QUOTED.sub("…", each.reason) for each in refusals.first)
        unnamed = refusals.count - len(refusals.first)
        if unnamed:
            reasons[OTHERS] += unnamed
        if reasons:
            self._stats.refused(source.name, reasons)
