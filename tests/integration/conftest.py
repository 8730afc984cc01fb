"""What integration tests share."""

from __future__ import annotations

import pytest

from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.workbench import Bench


@pytest.fixture
def bench(vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock) -> Bench:
    container = make_container(vtn={"embedded_port": int(vtn.base_url.rsplit(":", 1)[1])})
    made = Bench(container, vtn, clock)
    made.enrol()
    return made
