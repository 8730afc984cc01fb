"""The order in which things begin and end, and the exit code that comes of it."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from app.cli.run import run_application
from containers import Container
from tests.conftest import MakeContainer
from tests.support.servers import free_port

SMALL = {"fleet": {"vens": 1, "resources_per_ven": 2}}


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    """The handlers of this process, put back."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


class Left(Exception):
    """The process would have ended here."""


def leave(code: int) -> Any:
    raise Left(code)


def exit_code_of(container: Container) -> int:
    with pytest.raises(Left) as left:
        run_application(container, once=True, end=leave)
    return int(left.value.args[0])


@pytest.fixture
def container(make_container: MakeContainer) -> Container:
    return make_container(vtn={"embedded_port": free_port()}, **SMALL)


def test_once_meters_and_reports_and_leaves_with_0(container: Container) -> None:
    assert exit_code_of(container) == 0

    assert container.delivery.service().waiting() == 0
    assert container.fleet.repository().summaries()[0].approved == 2


def test_once_with_a_task_that_fails_leaves_with_1(
    container: Container, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        """Meters that do not answer."""

        def initialize_resources(self) -> int:
            return 0

        def increase_time(self) -> int:
            raise OSError("no meter answers")

        def get_statistics(self) -> dict[str, int]:
            names = ("vens", "resources", "approved", "pending", "suspended")
            return {f"total_{name}": 0 for name in names}

    container.simulator.override(Broken())

    with caplog.at_level(logging.ERROR, logger="app"):
        assert exit_code_of(container) == 1

    assert "task simulate_meterdata: failed" in caplog.text


def test_a_defect_of_the_start_is_logged_with_its_traceback(
    container: Container, caplog: pytest.LogCaptureFixture
) -> None:
    class Defect:
        """A simulator with a bug."""

        def initialize_resources(self) -> int:
            raise ZeroDivisionError

    container.simulator.override(Defect())

    with caplog.at_level(logging.ERROR, logger="app"):
        assert exit_code_of(container) == 1

    assert any(record.exc_info for record in caplog.records)


def test_tls_that_is_not_verified_is_said_at_every_start(
    make_container: MakeContainer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"embedded_port": free_port(), "verify_tls": False}
    for _ in range(2):
        container = make_container(vtn=settings, fleet={"seed_sample": False})
        with caplog.at_level(logging.WARNING, logger="app"):
            assert exit_code_of(container) == 0

    assert caplog.text.count("whoever answers is taken for the VTN") == 2


def test_a_stop_before_the_start_starts_nothing(container: Container) -> None:
    application = container.application()
    application.request_stop()

    application.start()

    assert container.fleet.repository().vens() == []
    assert application.stop()
