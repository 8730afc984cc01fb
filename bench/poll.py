"""What a poll costs: VENs of one client, and VENs with credentials of their own.

    python -m bench.poll

Each kind of fleet in a process of its own, at a VTN that answers at once. The first poll after a
start reads the targets of all, a later one seldom does.
"""

from __future__ import annotations

import http.client
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from app.fleet import sample_fleet
from app.openadr.http import VenAuth
from bench import child
from bench.fleet import container_of, save_enrolled, sink
from bench.rows import Row, table

CONNECTIONS = 10
POLLS = 5


@dataclass(frozen=True)
class Polled:
    """A fleet that is polled."""

    vens: int
    resources_per_ven: int
    sets: int
    """Of targets; 0: none has any."""
    per_ven: bool
    """Whether each VEN has credentials of its own."""

    @property
    def name(self) -> str:
        targets = f"{self.sets:,} sets of targets" if self.sets else "no targets"
        who = "credentials of their own" if self.per_ven else "one token"
        return f"polls, {self.vens:,} VENs x {self.resources_per_ven}, {who}, {targets}"


class TokenOf(VenAuth):
    """A token of one VEN."""

    def __init__(self, ven_name: str) -> None:
        self._authorization = f"Bearer {ven_name.encode().hex()}"

    def authorization(self) -> str:
        return self._authorization


class OwnTokens:
    """Each VEN has one, without asking for it."""

    per_ven = True

    def __init__(self) -> None:
        self._known: dict[str, TokenOf] = {}

    def auth(self, ven_name: str) -> TokenOf:
        return self._known.setdefault(ven_name, TokenOf(ven_name))

    def check(self, ven_names: Any) -> None:
        """They are as they are."""


def add_event(port: int, event: dict[str, Any]) -> None:
    """From now on the sink has this one, too."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/events", orjson.dumps(event))
    connection.getresponse().read()
    connection.close()


def measure(*, vtn: str, port: int, vens: int, resources_per_ven: int, per_ven: bool) -> Any:
    """Seconds and CPU seconds of polls, in this process."""
    from dependency_injector import providers

    with tempfile.TemporaryDirectory() as directory:
        container = container_of(vtn, Path(directory), vtn={"max_connections": CONNECTIONS})
        if per_ven:
            container.openadr.credentials.override(providers.ThreadSafeSingleton(OwnTokens))
        save_enrolled(container, sample_fleet(vens=vens, resources_per_ven=resources_per_ven))
        manager = container.ven_manager()

        def poll() -> tuple[float, float]:
            began_s, used_s = time.perf_counter(), time.process_time()
            manager.poll_events()
            return time.perf_counter() - began_s, time.process_time() - used_s

        first = poll()
        known = len(container.events.store().of_ven(next(iter(manager.polled))))
        assert known == 1
        later = [poll() for _ in range(POLLS)]
        add_event(port, {"id": "new", "programID": "bench-program"})
        new = poll()
        assert all(len(container.events.store().of_ven(name)) == 2 for name in manager.polled)
        container.openadr.http().close()
        container.platform.database().close()
        return {"first": first, "later": later, "new": new, "peak_mb": child.peak_mb()}


def rows_of(fleet: Polled, *, later_goal: str = "", cpu_goal: str = "") -> list[Row]:
    """The rows of one fleet."""
    with sink(shows=(fleet.vens, fleet.resources_per_ven, fleet.sets)) as vtn:
        before = vtn.counts()["requests"]
        found = child.call(
            "bench.poll",
            vtn=vtn.base_url,
            port=vtn.port,
            vens=fleet.vens,
            resources_per_ven=fleet.resources_per_ven,
            per_ven=fleet.per_ven,
        )
        asked = vtn.counts()["requests"] - before
    per_ven_ms = [cpu_s / fleet.vens * 1000 for _, cpu_s in found["later"]]
    figures = [
        ("the first one, with all targets", [found["first"][0]], "s", ""),
        ("a later one", [each[0] for each in found["later"]], "s", later_goal),
        ("a later one, CPU per VEN", per_ven_ms, "ms", cpu_goal),
        ("one that finds a new event", [found["new"][0]], "s", ""),
        ("requests, all of these", [asked], "", ""),
        ("peak memory", [found["peak_mb"]], "MB", ""),
    ]
    return [
        Row(section=fleet.name, name=name, values=values, unit=unit, goal=goal)
        for name, values, unit, goal in figures
    ]


def rows(*, of: float = 1.0) -> list[Row]:
    """All fleets; `of`: a share of their size."""
    many, some = int(100_000 * of), int(10_000 * of)
    sets = int(1_000 * of)
    return [
        *rows_of(Polled(many, 1, 0, False), later_goal="<= 10"),
        *rows_of(Polled(many, 1, sets, False), later_goal="<= 10"),
        *rows_of(Polled(some, 46, 1, True), later_goal="<= 15", cpu_goal="<= 1.2"),
    ]


if __name__ == "__main__":
    import sys

    if len(sys.argv) > 1:
        child.answer(measure(**child.given()))
    else:
        print(table(rows()))
