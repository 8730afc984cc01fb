"""/healthz and /readyz say what is not as it should be."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from app.ops import Health, OpsServer
from app.platform.systemd import SystemdNotifier
from tests.conftest import MakeContainer
from tests.support.servers import free_port
from tests.support.wiring import provider
from tests.support.workbench import SAMPLE, TICK, VENS, Bench

pytestmark = pytest.mark.in_process


@pytest.fixture
def health(bench: Bench) -> Health:
    made: Health = bench.container.ops.health()
    made.started = True
    return made


@pytest.fixture
def ops(health: Health, bench: Bench) -> Iterator[str]:
    """The address of a server that answers."""
    del health  # it has started
    container = bench.container
    settings = container.settings()
    port = free_port()
    listens = settings.ops.model_copy(update={"enabled": True, "port": port})
    container.settings.override(settings.model_copy(update={"ops": listens}))
    server: OpsServer = container.ops.server()
    server.start()
    yield f"http://127.0.0.1:{port}"
    container.platform.shutdown().set()
    server.close()


def get(ops: str, path: str) -> tuple[int, Any]:
    answer = requests.get(f"{ops}{path}", timeout=5)
    return answer.status_code, answer.json()


def test_all_is_well(bench: Bench, ops: str) -> None:
    bench.tick()
    bench.manager.generate_reports()

    assert get(ops, "/healthz") == (200, {"alive": True})
    assert get(ops, "/readyz") == (
        200,
        {
            "ready": True,
            "reasons": [],
            "warnings": [],
            "paused_tasks": [],
            "waiting_readings": 0,
            "store_used": 0.0,
            "set_aside_reports": 0,
            "expired_readings": 0,
            "dropped_readings": 0,
            "push": {"vens": 0},
        },
    )


def test_not_ready_is_503_with_the_reasons(health: Health, ops: str) -> None:
    health.started = False

    status, body = get(ops, "/readyz")

    assert (status, body["ready"], body["reasons"]) == (503, False, ["startup has not finished"])


def test_a_process_that_no_longer_looks_after_itself_is_not_alive(bench: Bench, ops: str) -> None:
    bench.container.supervision.guard()._looked_at_s = time.monotonic() - 60

    assert get(ops, "/healthz") == (503, {"alive": False})


def test_a_ven_that_is_not_enrolled(bench: Bench, health: Health) -> None:
    bench.container.fleet.repository().ensure_ven("New")

    readiness = health.readiness()
    assert (readiness.ready, readiness.warnings) == (True, ("1 VENs are not enrolled",))


def test_a_vtn_that_does_not_answer(bench: Bench, health: Health) -> None:
    for _ in range(3):
        bench.container.openadr.circuit().not_connected()

    assert health.readiness().reasons == (f"the VTN at {bench.vtn.base_url} does not answer",)


def test_a_stream_that_is_held(bench: Bench, health: Health) -> None:
    bench.transport.refused["Aarhus"] = 403
    bench.tick()
    bench.manager.generate_reports()

    (warning,) = health.readiness().warnings
    assert warning.startswith(
        "1 report streams are blocked; their readings remain owed: VEN Aarhus: POST /reports"
    )
    assert health.readiness().ready, "the others go on"

    bench.transport.refused.clear()
    bench.wait_out_holds()
    bench.manager.generate_reports()
    assert health.readiness().warnings == ()


def test_a_store_that_is_nearly_full(bench: Bench) -> None:
    class Full:
        def share_used(self) -> float:
            return 1.0

    bench.container.streams.retention.override(Full())
    health = bench.container.ops.health()
    health.started = True

    assert health.readiness().reasons == ("the store of readings has 100% of STORE__MAX_BYTES",)


def test_metering_that_has_stopped(bench: Bench, health: Health) -> None:
    bench.container.simulator().problem = "database data/fleet.db: disk is full"

    assert health.readiness().reasons == (
        "the latest readings could not be stored: database data/fleet.db: disk is full",
    )


def test_a_report_that_was_set_aside_is_told_and_no_reason(bench: Bench, health: Health) -> None:
    bench.transport.refused.update(dict.fromkeys(SAMPLE, 422))
    bench.tick()
    bench.manager.generate_reports()

    readiness = health.readiness()
    assert (readiness.ready, readiness.set_aside) == (True, VENS)


def test_a_database_that_is_gone_is_a_reason(bench: Bench, health: Health) -> None:
    database = bench.container.platform.database()
    with database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE tally RENAME TO elsewhere")

    (reason,) = health.readiness().reasons
    assert "no such table" in reason


def test_a_port_that_is_taken_is_a_warning_and_metering_goes_on(
    bench: Bench, ops: str, caplog: pytest.LogCaptureFixture
) -> None:
    del ops  # it has the port
    provider(bench.container, "ops.server.served").reset()
    second: OpsServer = bench.container.ops.server()

    second.start()
    second.close()

    assert "choose another OPS__PORT" in caplog.text


def test_readings_that_expired_are_counted_over_restarts(
    bench: Bench, health: Health, make_container: MakeContainer
) -> None:
    bench.tick()
    bench.ask()
    bench.manager.poll_events()
    bench.manager.generate_reports()
    bench.clock.advance(seconds=timedelta(hours=2).total_seconds())
    bench.manager.generate_reports()

    assert health.readiness().expired_readings == TICK
    assert make_container().ops.health().readiness().expired_readings == TICK


class TestSystemd:
    """sd_notify, to a socket as systemd has it."""

    @pytest.fixture(params=["path", "abstract"])
    def systemd(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
        name = str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path}"
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        listener.bind("\0" + name[1:] if name[0] == "@" else name)
        listener.settimeout(5)
        yield name, listener
        listener.close()

    def test_what_it_is_told(self, systemd: Any) -> None:
        name, listener = systemd
        notifier = SystemdNotifier(notify_socket=name, watchdog_s=30)
        notifier.ready()
        notifier.alive()
        notifier.alive()
        notifier.stopping()

        assert [listener.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]

    def test_without_systemd_nothing_happens(self) -> None:
        notifier = SystemdNotifier(notify_socket=None, watchdog_s=None)
        notifier.ready()
        notifier.alive()
        notifier.stopping()
