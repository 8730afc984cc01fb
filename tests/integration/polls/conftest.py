"""A large fleet at a VTN that lists in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.platform import make_engine
from tests.support.fakes import FakeClock
from tests.support.polls import MAX_AGE_S, CountedDatabase, EventsBench


@pytest.fixture
def database(tmp_path: Path) -> CountedDatabase:
    made = CountedDatabase(make_engine(f"sqlite:///{tmp_path / 'events.db'}"))
    made.open()
    return made


@pytest.fixture
def bench(database: CountedDatabase, clock: FakeClock) -> EventsBench:
    """Targets are read when they are due, as of a large fleet."""
    return EventsBench(database, clock, few=0, max_age_s=MAX_AGE_S)
