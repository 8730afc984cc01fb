"""Whatever comes in whatever order, and whatever fails: what the VTN was told is what was measured.

A resource with an import and an export side is measured by the quarter-hour. Its values come in any
order and several times, in batches and imports of any size; some are corrected. Meanwhile reports
are sent, answers are lost, and the fleet begins again with what is in its database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.intake import Direction
from app.settings import Settings
from containers import Container
from tests.support.fakes import FakeClock
from tests.support.in_process import InProcessVtn
from tests.support.intake import measured
from tests.support.metered import QUARTER, MeteredBench
from tests.support.servers import free_port
from tests.support.wiring import provider

QUARTERS = 6
WAYS = (Direction.IMPORT, Direction.EXPORT)
INTAKE = (
    "session",
    "compaction",
    "log",
    "arrivals",
    "arrival_counts",
    "energy",
    "latest",
    "intake",
)
KWH = st.integers(0, 40).map(lambda quarter_kw: quarter_kw / 16)
"""Less than 10 kW; sums of them are exact."""
VALUES = st.tuples(st.sampled_from(WAYS), st.integers(0, QUARTERS - 1), KWH)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.lists(VALUES, min_size=1, max_size=6)),
        st.tuples(st.just("report"), st.just([])),
        st.tuples(st.just("restart"), st.just([])),
        st.tuples(st.just("compact"), st.just([])),
        st.tuples(
            st.sampled_from(["lost answer", "lost request", "503", "look-ups fail"]), st.just([])
        ),
    ),
    max_size=25,
)


@contextmanager
def made_bench() -> Iterator[MeteredBench]:
    """At a VTN of its own."""
    with TemporaryDirectory() as folder:
        vtn = InProcessVtn(directory=Path(folder) / "vtn", port=free_port())
        vtn.start()
        container = Container()
        values: dict[str, Any] = {"data_dir": folder, "ops": {"enabled": False}}
        container.settings.override(Settings(**values, vtn={"embedded_port": vtn.port}))
        bench = MeteredBench(container, vtn, FakeClock())
        bench.enrol_meters()
        try:
            yield bench
        finally:
            container.platform.shutdown().set()
            container.openadr.http().close()
            container.platform.database().close()
            vtn.close()


def restart(bench: MeteredBench) -> None:
    """All that is known is read from the database again."""
    for name in INTAKE:
        provider(bench.container, f"intake.{name}").reset()
    provider(bench.container, "streams.metered_reports").reset()
    bench.restart()
    bench.manager.poll_events()


def settle(bench: MeteredBench) -> None:
    """Until nothing is owed or to be corrected."""
    bench.transport.faults.clear()
    bench.transport.lookup_status = 0
    for _ in range(4):
        bench.wait_out_holds()
        bench.clock.advance(minutes=16)
        bench.manager.generate_reports()


def net(known: dict[tuple[Direction, int], float]) -> dict[int, float]:
    """By quarter-hour of which both sides are known."""
    both = (Direction.IMPORT, Direction.EXPORT)
    return {
        number: known[both[0], number] - known[both[1], number]
        for number in range(QUARTERS)
        if all((way, number) in known for way in both)
    }


@pytest.mark.rest
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_telemetry_tells_each_once_and_then_what_changed(
    steps: list[tuple[str, list[Any]]],
) -> None:
    with made_bench() as bench:
        begin = bench.ask_for({"payloadType": "USAGE"})
        known = run(bench, begin, steps)

        told = bench.told()
        assert {start for _, start in told} == {begin + number * QUARTER for number in net(known)}
        for number, kwh in net(known).items():
            assert told["hall", begin + number * QUARTER][-1] == pytest.approx(kwh)
        first = [report for report in bench.reports() if "-corrects-" not in report["reportName"]]
        assert max(counted(first).values(), default=1) == 1


@pytest.mark.rest
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_intervals_come_to_what_was_measured(steps: list[tuple[str, list[Any]]]) -> None:
    with made_bench() as bench:
        begin = bench.clock()
        bench.ask_by_quarter({"payloadType": "USAGE"}, count=QUARTERS)
        known = run(bench, begin, steps)

        told = bench.told()
        complete = net(known)
        for number, kwh in complete.items():
            assert told["hall", begin + number * QUARTER] == [pytest.approx(kwh)]
        assert len({report["reportName"] for report in bench.reports()}) == len(bench.reports())


def run(
    bench: MeteredBench, begin: Any, steps: list[tuple[str, list[Any]]]
) -> dict[tuple[Direction, int], float]:
    """All that is measured in the end."""
    known: dict[tuple[Direction, int], float] = {}
    for way in WAYS:  # both sides are known to be there
        bench.take(measured(begin - QUARTER, 0.0, direction=way))
    bench.clock.advance(minutes=15 * QUARTERS)
    for what, values in steps:
        if what == "take":
            for way, number, kwh in values:
                bench.take(measured(begin + number * QUARTER, kwh, direction=way))
                known[way, number] = kwh
        elif what == "report":
            bench.clock.advance(minutes=2)
            bench.manager.generate_reports()
        elif what == "restart":
            restart(bench)
        elif what == "compact":
            while bench.container.intake.compaction().compact():
                pass
            bench.container.intake.compaction().drop_told()
        elif what == "look-ups fail":
            bench.transport.lookup_status = 503
        else:
            bench.transport.faults.append(503 if what == "503" else what)
    settle(bench)
    return known


def counted(reports: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    """How often each (resource, start) was told."""
    found: dict[tuple[str, str], int] = {}
    for report in reports:
        for resource in report["resources"]:
            for interval in resource["intervals"]:
                key = resource["resourceName"], interval["intervalPeriod"]["start"]
                found[key] = found.get(key, 0) + 1
    return found
