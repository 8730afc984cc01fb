"""What fails on our side while reports are sent: nothing comes twice, and no VEN is forgotten."""

from __future__ import annotations

import contextlib

import pytest

from app.openadr import VtnUnauthorised
from app.platform import DatabaseError
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.flaky_database import FlakyDatabase
from tests.support.workbench import TICK, Bench

pytestmark = pytest.mark.in_process


@pytest.fixture
def bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    container = make_container(vtn={"embedded_port": vtn.port})
    container.platform.database.override(FlakyDatabase(container.platform.engine()))
    made = Bench(container, vtn, clock)
    made.enrol()
    return made


def deliver_for_a_while(bench: Bench) -> None:
    for _ in range(4):
        bench.wait_out_holds()
        bench.manager.generate_reports()


def test_a_report_after_whose_sending_we_fail_comes_once(bench: Bench) -> None:
    bench.transport.faults.append("defect")
    bench.tick()
    with pytest.raises(RuntimeError, match="a defect of ours"):
        bench.manager.generate_reports()

    bench.tick()
    deliver_for_a_while(bench)

    assert bench.waiting() == 0
    bench.assert_each_once(2 * TICK)


def test_so_does_one_that_was_refused_before(bench: Bench) -> None:
    bench.transport.refused["Aarhus"] = 422
    bench.tick()
    bench.manager.generate_reports()
    bench.transport.refused.clear()
    bench.retry()

    bench.transport.faults.append("defect")
    with pytest.raises(RuntimeError, match="a defect of ours"):
        bench.manager.generate_reports()
    deliver_for_a_while(bench)

    assert bench.container.streams.rejected().reports() == []
    bench.assert_each_once(TICK)


@pytest.mark.parametrize("write", range(6))
@pytest.mark.parametrize("refused_before", [False, True])
def test_a_held_ven_is_tried_again_after_a_database_that_failed(
    bench: Bench, write: int, refused_before: bool
) -> None:
    """Given a held VEN that may be tried, when a write fails, then it may be tried later."""
    if refused_before:
        bench.transport.refused["Aarhus"] = 422
        bench.tick()
        bench.manager.generate_reports()
        bench.transport.refused.clear()
        bench.retry()
    bench.tick()
    bench.container.fleet.held_reports().failed("Aarhus", VtnUnauthorised("403", status=403))
    bench.wait_out_holds()

    bench.container.platform.database().fails_at = write
    with contextlib.suppress(DatabaseError):
        bench.manager.generate_reports()
    bench.container.platform.database().fails_at = None
    deliver_for_a_while(bench)

    assert bench.waiting() == 0
    assert bench.container.fleet.held_reports().problems() == {}
    assert bench.container.streams.rejected().reports() == []
