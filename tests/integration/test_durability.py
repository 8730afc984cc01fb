"""What need not wait for the disk may be lost with the power, and nothing is lost with it."""

from __future__ import annotations

import pytest

from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.recorded_database import ForgetfulDatabase
from tests.support.workbench import RESOURCES, TICK, VENS, Bench

pytestmark = pytest.mark.in_process


@pytest.fixture
def forgetful(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    container = make_container(vtn={"embedded_port": vtn.port})
    container.platform.database.override(ForgetfulDatabase(container.platform.engine()))
    made = Bench(container, vtn, clock)
    made.enrol()
    return made


def restarted(bench: Bench, make_container: MakeContainer) -> Bench:
    """The same fleet in a new process."""
    port = bench.vtn.port
    return Bench(make_container(vtn={"embedded_port": port}), bench.vtn, bench.clock)


def test_cursors_that_are_lost_are_found_out_at_the_vtn(
    forgetful: Bench, make_container: MakeContainer
) -> None:
    forgetful.tick()
    assert forgetful.manager.generate_reports() == TICK

    after = restarted(forgetful, make_container)
    assert after.waiting() == TICK, "the machine forgot that it was delivered"
    after.manager.generate_reports()

    assert after.waiting() == 0
    after.assert_each_once(TICK)


def test_what_is_set_aside_is_not_lost(forgetful: Bench, make_container: MakeContainer) -> None:
    forgetful.transport.refused["Aarhus"] = 422
    forgetful.tick()
    forgetful.manager.generate_reports()

    after = restarted(forgetful, make_container)

    (aside,) = after.container.streams.rejected().reports()
    assert aside.ven_name == "Aarhus"
    assert aside.readings == RESOURCES
    after.retry()
    after.manager.generate_reports()
    after.assert_each_once(VENS * RESOURCES)


def test_a_process_that_lives_on_loses_nothing_either(forgetful: Bench) -> None:
    for _ in range(3):
        forgetful.tick()
        forgetful.manager.generate_reports()

    forgetful.assert_each_once(3 * TICK)
