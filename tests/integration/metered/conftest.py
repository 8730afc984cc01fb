"""What tests of real meters share."""

from __future__ import annotations

import pytest

from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.intake import meter
from tests.support.metered import MeteredBench


@pytest.fixture
def bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> MeteredBench:
    made = MeteredBench(make_container(vtn={"embedded_port": vtn.port}), vtn, clock)
    made.enrol_meters()
    return made


@pytest.fixture
def two_meters(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> MeteredBench:
    """Of `hall`, d-1, and of `roof`, d-2."""
    made = MeteredBench(make_container(vtn={"embedded_port": vtn.port}), vtn, clock)
    made.enrol_meters(
        meter("hall", source="plant", device="d-1"),
        meter("roof", source="plant", device="d-2"),
    )
    return made
