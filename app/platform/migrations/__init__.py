"""The schema, by number: a migration is never changed once it is released, only followed.

Version n of the schema is what the first n migrations make. One sequence for all rooms, since
they share one file and one transaction. A migration imports no room: it is frozen DDL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from app.platform.migrations import (
    m0001_fleet_and_readings,
    m0002_lag_and_refusals,
    m0003_answers_and_targets,
    m0004_indexes,
    m0005_enrolled_again,
    m0006_changes_and_removals,
    m0007_measurements,
    m0008_what_is_told_of_meters,
    m0009_orders,
    m0010_stores_of_orders,
    m0011_taken_over,
)

Migration = Callable[[Connection], None]

MIGRATIONS: Sequence[Migration] = (
    m0001_fleet_and_readings.migrate,
    m0002_lag_and_refusals.migrate,
    m0003_answers_and_targets.migrate,
    m0004_indexes.migrate,
    m0005_enrolled_again.migrate,
    m0006_changes_and_removals.migrate,
    m0007_measurements.migrate,
    m0008_what_is_told_of_meters.migrate,
    m0009_orders.migrate,
    m0010_stores_of_orders.migrate,
    m0011_taken_over.migrate,
)
