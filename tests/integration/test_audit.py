"""Who reads the audit log finds an entry on every line."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.ops import AuditLog
from tests.support.workbench import Bench

pytestmark = pytest.mark.in_process

WHO = "127.0.0.1"


@contextmanager
def room_for(length_bytes: int) -> Iterator[None]:
    """No file grows longer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_line_that_was_torn_does_not_take_the_next_with_it(bench: Bench) -> None:
    path: Path = bench.container.settings().audit_file
    path.write_text('{"time": "2026')

    AuditLog(path=path, clock=bench.clock).write(WHO, "pause task", "heartbeat", "asked", {})

    torn, entry = path.read_text().splitlines()
    assert torn == '{"time": "2026'
    assert json.loads(entry)["about"] == "heartbeat"


def test_a_line_for_which_there_is_no_room_leaves_nothing(bench: Bench) -> None:
    path: Path = bench.container.settings().audit_file
    audit_log = AuditLog(path=path, clock=bench.clock)
    audit_log.write(WHO, "pause task", "heartbeat", "asked", {})
    before = path.read_bytes()

    with room_for(len(before) + 10), pytest.raises(OSError, match="No space left"):
        audit_log.write(WHO, "pause task", "poll_events", "asked", {})

    assert path.read_bytes() == before
