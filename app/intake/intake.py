"""Takes measurements: from here on they are durable, and each is there once."""

from __future__ import annotations

from collections.abc import Sequence

from app.intake.admission import Admission, WhenLate
from app.intake.handed_on import Part
from app.intake.measurement import Measurements, MeterName, Receipt
from app.intake.sources import Source
from app.intake.status import IntakeStats
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
        return self.take_part(batch, source, leaves_unknown=False).receipt

    def unknown(self, meters: Sequence[MeterName], source: Source) -> Sequence[int]:
        """The places of those that no resource has."""
        return self._admission.unknown(meters, source.name)

    def take_part(self, batch: Measurements, source: Source, *, leaves_unknown: bool) -> Part:
        """As `take`. `leaves_unknown`: a meter that nobody has here may be that of another shard;
        its values are not refused, and its key is named."""
        admitted = self._admission.admit(
            batch,
            source=source.name,
            late=source.late,
            when_late=WhenLate.COUNT,
            leaves_unknown=leaves_unknown,
        )
        self._unknown.note(source.name, admitted.unknown)
        if len(admitted.arrival.rows):
            receipt = admitted.settled(self._log.take(admitted.arrival))
        else:
            receipt = admitted.receipt
        self._stats.record(source.name, receipt)
        return Part(receipt=receipt, unknown=admitted.left)
