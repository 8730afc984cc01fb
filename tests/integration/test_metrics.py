"""What Prometheus reads, and the dashboard that shows it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.ops import Metrics
from tests.support.workbench import TICK, Bench

pytestmark = pytest.mark.in_process

DASHBOARD = Path(__file__).parents[2] / "deploy" / "grafana-dashboard.json"


def read(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Each sample by its name and labels."""
    text, media_type = metrics.text("")
    assert media_type.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


@pytest.fixture
def metrics(bench: Bench) -> Metrics:
    made: Metrics = bench.container.ops.metrics()
    return made


def value(metrics: Metrics, name: str, **labels: str) -> float:
    return read(metrics)[name, frozenset(labels.items())]


def test_readings_are_counted_on_their_way(bench: Bench, metrics: Metrics) -> None:
    bench.tick()
    assert value(metrics, "ven_readings_taken_total") == TICK
    assert value(metrics, "ven_readings_waiting") == TICK

    bench.manager.generate_reports()

    assert value(metrics, "ven_readings_delivered_total") == TICK
    assert value(metrics, "ven_reports_delivered_total") == 3


def test_a_report_that_is_refused_is_counted(bench: Bench, metrics: Metrics) -> None:
    bench.transport.refused["Aarhus"] = 422
    bench.tick()

    bench.manager.generate_reports()

    assert value(metrics, "ven_reports_set_aside") == 1
    assert value(metrics, "ven_vtn_errors_total", outcome="422") >= 1


def test_what_became_of_requests_is_counted(bench: Bench, metrics: Metrics) -> None:
    bench.transport.faults.append("lost request")
    bench.tick()

    bench.manager.generate_reports()

    assert value(metrics, "ven_vtn_requests_total", method="POST", outcome="broken") == 1
    assert value(metrics, "ven_vtn_requests_total", method="POST", outcome="201") >= 2
    assert value(metrics, "ven_vtn_latency_seconds_count") > 2


def test_runs_of_tasks_are_counted(bench: Bench, metrics: Metrics) -> None:
    bench.container.scheduler().run_now("resource_status_checker").result(5)

    assert value(metrics, "ven_task_runs_total", task="resource_status_checker") == 1
    assert (
        value(
            metrics, "ven_task_duration_seconds_bucket", task="resource_status_checker", le="+Inf"
        )
        == 1
    )


def test_the_power_of_each_kind_is_shown(bench: Bench, metrics: Metrics) -> None:
    bench.tick()
    history = bench.container.metering.power_history()
    history()

    (point,) = history.points()
    for kind, power_kw in point.by_kind_kw.items():
        assert value(metrics, "ven_power_kilowatts", kind=kind.value) == pytest.approx(power_kw)


def test_without_a_database_nothing_is_said_that_is_not_known(
    bench: Bench, metrics: Metrics
) -> None:
    bench.tick()
    with bench.container.platform.database().write() as connection:
        connection.exec_driver_sql("ALTER TABLE ven RENAME TO elsewhere")

    found = read(metrics)

    assert found["ven_ready", frozenset()] == 0
    assert ("ven_readings_waiting", frozenset()) not in found
    assert found["ven_readings_taken_total", frozenset()] == TICK


def test_the_dashboard_shows_what_there_is_and_all_of_it(bench: Bench, metrics: Metrics) -> None:
    Path("sources.toml").write_text('[[source]]\nname = "portal"\ntype = "file"\n')
    bench.tick()
    bench.container.metering.power_history()()
    bench.transport.refused["Aarhus"] = 422
    bench.manager.generate_reports()
    text, _ = metrics.text("")
    there = {
        sample.name
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    } | {
        "ven_task_lateness_seconds",  # once a task was planned
        "ven_source_newest_timestamp_seconds",  # and something was measured
        "ven_actuator_away",  # and there is an actuator
    }

    panels = json.loads(DASHBOARD.read_text())["panels"]
    used = {
        name
        for panel in panels
        for target in panel["targets"]
        for name in re.findall(r"\b(?:ven|process)_\w+", target["expr"])
    }

    assert used <= there
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in there if "ven_" in name}
    assert families == {re.sub(r"_bucket$", "", name) for name in used if "ven_" in name}


def test_what_machines_ask_does_not_bring_the_page_with_it(tmp_path: Path) -> None:
    program = """
import sys
from starlette.testclient import TestClient
from app.ops.server import make_probes
from app.settings import Settings
from containers import Container

container = Container()
container.settings.override(Settings(data_dir=sys.argv[1]))
container.ops.server()
client = TestClient(make_probes(container.ops.health(), container.ops.metrics()))
for path in ("/healthz", "/readyz", "/metrics"):
    assert client.get(path).content
assert "nicegui" not in sys.modules
"""

    subprocess.run([sys.executable, "-c", program, str(tmp_path / "data")], check=True, timeout=60)
