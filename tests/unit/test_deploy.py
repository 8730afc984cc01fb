"""The files under deploy/ hold what they promise."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.platform.shutdown import STOP_DEADLINE_S
from tests.support.needed import program

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "ven-fleet.service"
UNIT_OF_THE_GATEWAY = ROOT / "deploy" / "ven-fleet-gateway.service"
KUBERNETES_VERSION = "1.32"
"""The oldest in which the label with a pod's number is no beta."""
KUBERNETES = ROOT / "deploy" / "kubernetes.yaml"
UNIT_OF_A_NODE = ROOT / "deploy" / "ven-fleet-cluster.service"
UNIT_OF_A_SHARD = ROOT / "deploy" / "ven-fleet@.service"
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, with lines joined."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(line.split()[0], line.split(None, 1)[1]) for line in lines if line.strip()]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        (UNIT, "ven-fleet.service"),
        (UNIT_OF_A_SHARD, "ven-fleet@1.service"),
        (UNIT_OF_THE_GATEWAY, "ven-fleet-gateway.service"),
        (UNIT_OF_A_NODE, "ven-fleet-cluster.service"),
    ],
)
def test_systemd_accepts_the_unit(tmp_path: Path, file: Path, name: str) -> None:
    analyze = program("systemd-analyze", package="systemd")
    # The interpreter of the unit is not on this machine; this one stands in for it.
    text = file.read_text().replace("/opt/ven-fleet/.venv/bin/python", sys.executable)
    unit = tmp_path / name
    unit.write_text(text.replace("/opt/ven-fleet", str(ROOT)))

    result = subprocess.run(
        [analyze, "verify", "--man=no", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )

    complaints = [line for line in result.stderr.splitlines() if name in line]
    assert (result.returncode, complaints) == (0, [])


def test_the_unit_of_a_shard_is_the_other_one_and_what_a_shard_needs() -> None:
    whole, shard = (
        [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        for path in (UNIT, UNIT_OF_A_SHARD)
    )

    assert [line for line in shard if line not in whole] == [
        "Description=Fleet of OpenADR 3 virtual end nodes, shard %i",
        "Environment=FLEET__SHARD=%i",
    ]
    assert [line for line in whole if line not in shard] == [
        "Description=Fleet of OpenADR 3 virtual end nodes"
    ]


@pytest.mark.parametrize("document", list(yaml.safe_load_all(KUBERNETES.read_text())), ids=str)
def test_kubernetes_accepts_each_object(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, KUBERNETES_VERSION, strict=True)


def of_kubernetes(kind: str, name: str) -> dict[str, Any]:
    documents = yaml.safe_load_all(KUBERNETES.read_text())
    (found,) = [
        each for each in documents if (each["kind"], each["metadata"]["name"]) == (kind, name)
    ]
    made: dict[str, Any] = found
    return made


def pod(kind: str, name: str) -> dict[str, Any]:
    made: dict[str, Any] = of_kubernetes(kind, name)["spec"]["template"]["spec"]
    return made


class TestKubernetes:
    def test_there_is_a_pod_for_each_shard(self) -> None:
        shards = of_kubernetes("ConfigMap", "ven-fleet-settings")["data"]["FLEET__SHARDS"]

        assert of_kubernetes("StatefulSet", "ven-fleet")["spec"]["replicas"] == int(shards)

    def test_a_pod_is_stopped_as_slowly_as_it_stops(self) -> None:
        grace_s = pod("StatefulSet", "ven-fleet")["terminationGracePeriodSeconds"]

        assert grace_s > STOP_DEADLINE_S

    def test_a_pod_is_reached_as_long_as_it_lives_whatever_the_vtn_does(self) -> None:
        (container,) = pod("StatefulSet", "ven-fleet")["containers"]

        assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"

    @pytest.mark.parametrize(
        ("kind", "name"), [("StatefulSet", "ven-fleet"), ("Deployment", "ven-fleet-gateway")]
    )
    def test_its_settings_are_settings(self, kind: str, name: str, tmp_path: Path) -> None:
        """Given what the secrets hold, and files that are there."""
        (container,) = pod(kind, name)["containers"]
        given = {
            **of_kubernetes("ConfigMap", "ven-fleet-settings")["data"],
            **{each["name"]: each["value"] for each in container["env"] if "value" in each},
            "GATEWAY__TOKEN": "a-token-of-the-gateway",
            "DATABASE__URL": "postgresql+psycopg://fleet@127.0.0.1/fleet",
        }
        if kind == "StatefulSet":
            given["FLEET__SHARD"] = "3"
        for setting, value in given.items():
            if value.startswith("/etc/ven-fleet/"):
                given[setting] = str(tmp_path / Path(value).name)
                Path(given[setting]).touch()
        done = subprocess.run(
            [sys.executable, "-m", "app", "tasks"],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **given},
            capture_output=True,
            text=True,
            check=False,
        )

        assert (done.returncode, done.stderr) == (0, "")


def test_systemd_waits_longer_than_a_stop_may_take() -> None:
    found = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)
    assert found is not None
    assert int(found[1]) > STOP_DEADLINE_S


def test_the_container_runs_the_process_itself_and_not_as_root() -> None:
    by_name = dict(instructions())

    assert json.loads(by_name["ENTRYPOINT"]) == ["python", "-m", "app"]
    assert json.loads(by_name["CMD"]) == ["run"]
    assert by_name["USER"] not in ("root", "0")
    assert by_name["VOLUME"] == "/data"
    assert "DATA_DIR=/data" in by_name["ENV"]
    assert "/readyz" in by_name["HEALTHCHECK"]


class OnlyAnswersProbes(BaseHTTPRequestHandler):
    """What stands in the container: ready, and heard on loopback."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


def test_the_container_asks_itself_and_no_proxy() -> None:
    """Given an environment with a proxy, then the probe does not go through it."""
    probe = json.loads(dict(instructions())["HEALTHCHECK"].split("CMD", 1)[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), OnlyAnswersProbes)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    nowhere = "http://127.0.0.1:9"
    try:
        result = subprocess.run(
            [sys.executable, *probe[1:]],
            env={
                "OPS__PORT": str(server.server_port),
                "HTTP_PROXY": nowhere,
                "http_proxy": nowhere,
            },
            capture_output=True,
            check=False,
            text=True,
        )
    finally:
        server.shutdown()
        server.server_close()

    assert (result.returncode, result.stderr) == (0, "")


def test_what_the_container_copies_is_there_and_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text().split()
    for name, arguments in instructions():
        if name == "COPY":
            for source in arguments.split()[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignore
