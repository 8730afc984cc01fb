"""Meters that sources tell of and nobody has, to be mapped."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select, text

from app.intake.errors import UnknownMeter
from app.intake.measurement import MeterName
from app.intake.meters import KnownMeters, Meters
from app.intake.store.tables import unknown_device_table
from app.platform import Database, from_us, to_us

EVERY_SOURCE = ""
"""In the place of a source's name, where devices are looked up in all."""
MAX_DEVICES = 10_000
"""That are remembered."""


class UnknownDevice(NamedTuple):
    """What a source calls it (its device, or its meter point), when it was met, and how many of its
    values were refused."""

    source: str
    device: str
    first_seen: datetime
    last_seen: datetime
    refused: int


class UnknownDevices:
    """Safe for several threads and processes."""

    def __init__(
        self, database: Database, *, meters: Meters, clock: Callable[[], datetime]
    ) -> None:
        self._database = database
        self._meters = meters
        self._clock = clock

    def note(self, source: str, devices: Mapping[str, int]) -> None:
        """These were met, with so many values each."""
        if not devices:
            return
        now_us = to_us(self._clock())
        with self._database.write(durable=False) as connection:
            count = connection.execute(text("SELECT count(*) FROM unknown_device")).scalar_one()
            if count >= MAX_DEVICES:
                return
            connection.execute(
                text(_NOTE),
                [
                    {"source": source, "device": device[:256], "now": now_us, "refused": refused}
                    for device, refused in list(devices.items())[:MAX_DEVICES]
                ],
            )

    def all(self) -> list[UnknownDevice]:
        """Those of each source that nobody has by now, what came last first."""
        known = self._meters.known()
        return [each for each in self._remembered() if not _is_mapped(known, each)]

    def forget_mapped(self) -> None:
        """Make room: those that somebody has by now are remembered no longer."""
        known = self._meters.known()
        gone = [each for each in self._remembered() if _is_mapped(known, each)]
        if gone:
            with self._database.write(durable=False) as connection:
                connection.execute(
                    text("DELETE FROM unknown_device WHERE source = :source AND device = :device"),
                    [{"source": each.source, "device": each.device} for each in gone],
                )

    def _remembered(self) -> list[UnknownDevice]:
        order = (unknown_device_table.c.source, unknown_device_table.c.last_seen_us.desc())
        with self._database.read() as connection:
            rows = connection.execute(select(unknown_device_table).order_by(*order)).all()
        return [
            UnknownDevice(
                row.source,
                row.device,
                from_us(row.first_seen_us),
                from_us(row.last_seen_us),
                row.refused,
            )
            for row in rows
        ]


def _is_mapped(known: KnownMeters, unknown: UnknownDevice) -> bool:
    source = None if unknown.source == EVERY_SOURCE else unknown.source
    for name in (MeterName(device=unknown.device), MeterName(meter_point_id=unknown.device)):
        try:
            known.find(name, source)
        except UnknownMeter:
            continue
        return True
    return False


_NOTE = (
    "INSERT INTO unknown_device (source, device, first_seen_us, last_seen_us, refused)"
    " VALUES (:source, :device, :now, :now, :refused) ON CONFLICT (source, device) DO UPDATE"
    " SET last_seen_us = excluded.last_seen_us,"
    " refused = unknown_device.refused + excluded.refused"
)
