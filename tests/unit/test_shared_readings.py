"""What is read once for all who ask for the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from app.openadr import SharedReadings


def test_it_is_read_once_also_by_several_at_once() -> None:
    shared, read = SharedReadings(), []
    together = threading.Barrier(4)

    def ask(_: int) -> str:
        together.wait(5)
        return shared("events", lambda: read.append("read") or "found")  # type: ignore[func-returns-value]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))

    assert found == ["found"] * 4
    assert read == ["read"]


def test_what_failed_is_read_anew_by_who_asks_later() -> None:
    shared = SharedReadings()

    def fail() -> str:
        raise ValueError("it failed")

    with pytest.raises(ValueError, match="it failed"):
        shared("events", fail)

    assert shared("events", lambda: "found") == "found"


def test_others_have_their_own() -> None:
    shared = SharedReadings()

    assert [shared(what, partial(str.upper, what)) for what in ("a", "b", "a")] == ["A", "B", "A"]
