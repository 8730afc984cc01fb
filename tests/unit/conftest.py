"""Fixtures of tests without I/O."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.scheduling import TaskScheduler


@pytest.fixture
def scheduler() -> Iterator[TaskScheduler]:
    """A scheduler without tasks, not started."""
    made = TaskScheduler()
    yield made
    made.shutdown(timeout_s=5)
