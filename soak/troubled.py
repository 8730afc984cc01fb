"""Fifty of 287 VENs that the VTN fails, neighbours by name: the others go on at their rate.

python -m soak.troubled [FAULT …]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.fleet import sample_fleet
from app.settings.model import Settings
from app.vtn import EmbeddedVtn
from containers import Container
from soak.fleet import free_port
from tests.support.failing_vens import FAULTS, TIME_OUT, FailingVens

VENS, FAILING, RESOURCES = 287, 50, 2
TICK_S, REPORTS_S, POLL_S = 10, 5, 10
"""Thrice as often as by default, to see as much in a third of the time."""
TIMEOUT_S = 10.0
WELL_S, TROUBLED_S, MEASURED_S = 60, 240, 120
MIN_RATE = 0.9


@contextmanager
def running(directory: Path) -> Iterator[tuple[Container, FailingVens, list[str]]]:
    """The whole application, with the schedule and the time-outs of a deployment."""
    port = free_port()
    vtn = EmbeddedVtn(directory=directory / "vtn", port=port)
    vtn.start()
    container = Container()
    container.settings.override(
        Settings(
            data_dir=directory,
            vtn={"embedded_port": port, "timeout_s": TIMEOUT_S},
            ops={"port": free_port()},
            tasks={
                "simulate_meterdata": {"seconds": TICK_S},
                "generate_reports": {"seconds": REPORTS_S},
                "poll_events": {"seconds": POLL_S},
            },
        )
    )
    container.vtn.server.override(vtn)
    transport = FailingVens(vtn, timeout_s=TIMEOUT_S)
    container.openadr.transport.override(transport)
    sample = sample_fleet(vens=VENS, resources_per_ven=RESOURCES)
    container.platform.database().open()
    container.fleet.repository().save(sample)
    application = container.application()
    application.start()
    try:
        yield container, transport, sorted(sample)
    finally:
        transport.waits.set()
        application.stop()


def counted(transport: FailingVens, names: set[str], method: str, path: str) -> int:
    """How many requests of these VENs were answered."""
    return sum(
        count
        for (name, *what), count in list(transport.answered.items())
        if name in names and what == [method, path]
    )


def rates(transport: FailingVens, names: set[str], for_s: float) -> tuple[float, float]:
    """Polls and reports a second of these VENs, over so long."""
    began_s = time.monotonic()
    polls = counted(transport, names, "GET", "/events")
    reports = counted(transport, names, "POST", "/reports")
    time.sleep(for_s)
    took_s = time.monotonic() - began_s
    return (
        (counted(transport, names, "GET", "/events") - polls) / took_s,
        (counted(transport, names, "POST", "/reports") - reports) / took_s,
    )


def main() -> None:
    faults = sys.argv[1:] or [*FAULTS, TIME_OUT]
    slow = []
    for fault in faults:
        with (
            tempfile.TemporaryDirectory() as name,
            running(Path(name)) as (
                container,
                transport,
                names,
            ),
        ):
            others = set(names[FAILING:])
            well = rates(transport, others, WELL_S)
            transport.failing = dict.fromkeys(names[:FAILING], fault)
            time.sleep(TROUBLED_S - MEASURED_S)
            troubled = rates(transport, others, MEASURED_S)
            polls, reports = (now / before for now, before in zip(troubled, well, strict=True))
            print(
                f"{fault}: of {len(others)} VENs that are well, polls at {polls:.2f} and reports at"
                f" {reports:.2f} of their rate; {container.openadr.circuit().outages} outages",
                flush=True,
            )
            if min(polls, reports) < MIN_RATE or container.openadr.circuit().outages:
                slow.append(fault)
    assert not slow, f"the others are slowed down by VENs that fail with {', '.join(slow)}"


if __name__ == "__main__":
    main()
