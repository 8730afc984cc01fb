"""`cluster` on one machine, with a file for each shard: what it says, shows and leaves behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Open
from tests.support.cluster import command_of, kill_all, lives, parent, processes_named, tree
from tests.support.faulty_vtn import FaultyVtn
from tests.support.killed import at_faulty_vtn
from tests.support.processes import Application
from tests.support.servers import free_port
from tests.support.waiting import wait_until

pytest.importorskip("ray", reason="needs the extra `cluster`")
pytestmark = pytest.mark.alone
SHARDS = 2


class OneMachine:
    """A cluster that `cluster start` has begun in the background."""

    def __init__(self, folder: Path, settings: dict[str, str]) -> None:
        self.folder = folder
        self._settings = {**settings, "DATA_DIR": str(folder / "data")}
        self.secret = settings["VTN__CLIENT_SECRET"]
        self.base_url = f"http://127.0.0.1:{settings['OPS__PORT']}"
        self.port = free_port()

    def command(self, *arguments: str, **settings: str) -> Application:
        return Application(*arguments, cwd=self.folder, settings={**self._settings, **settings})

    def said(self, *arguments: str, code: int = 0, **settings: str) -> str:
        """What a command printed, and logged, when it ended with this code."""
        command = self.command(*arguments, **settings)
        assert command.join(150) == code, command.log
        return f"{command.output}\n{command.log}".strip()

    def status(self) -> Any:
        return json.loads(self.said("cluster", "status", "--json"))

    def process_of(self, number: int) -> int | None:
        """Of a shard."""
        holder = self.status()["shards"][number]["run_by"]
        return None if holder is None else int(holder.rpartition(":")[2])

    def node_process(self) -> int:
        return int(json.loads((self.folder / "data/ray/node.lock").read_text())["pid"])

    def kill(self) -> None:
        """The node, where it still runs, and what it began."""
        if (self.folder / "data/ray/node.lock").exists():
            kill_all(tree(pid) if processes_named([pid := self.node_process()], "start") else ())

    def all_run(self) -> bool:
        return all(self.process_of(number) for number in range(SHARDS))


@pytest.fixture
def machine(faulty: FaultyVtn, tmp_path: Path) -> Iterator[OneMachine]:
    settings = {
        **at_faulty_vtn(faulty, tmp_path),
        "FLEET__SHARDS": str(SHARDS),
        "FLEET__SEED_SAMPLE": "true",
        "FLEET__VENS": "4",
        "FLEET__RESOURCES_PER_VEN": "2",
        "METERING__DEFAULT_SOURCE": "simulator",
        "OPS__PORT": str(free_port()),
        "TASKS__SIMULATE_METERDATA__SECONDS": "1",
    }
    with tempfile.TemporaryDirectory(prefix="vf-", dir="/tmp") as folder:  # sockets: a short path
        made = OneMachine(Path(folder), settings)
        yield made
        made.kill()


def test_from_the_start_to_the_stop(machine: OneMachine, window: Open) -> None:
    """Given nothing but settings; when the cluster begins, a process of a shard is killed, and all
    is stopped; then each command says what there is, and no process is left."""
    said = machine.said("cluster", "start", "--port", str(machine.port))
    assert said == f"This machine is the head, at 127.0.0.2:{machine.port}; the cluster has 1 node."
    wait_until(machine.all_run, timeout_s=30)

    again = machine.said("cluster", "start", "--port", str(free_port()), code=1)
    assert "the node of this machine runs already" in again

    killed = machine.process_of(0)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: machine.process_of(0) not in (None, killed), timeout_s=30)
    status = machine.status()
    assert status["head"] == f"127.0.0.2:{machine.port}"
    assert [node["gateway"] for node in status["nodes"]] == [True]
    assert status["shards"][0]["epoch"] == 2
    wait_until(lambda: machine.status()["shards"][0]["restarts"] == 1)

    page = window(machine)
    page.look_at("/")
    wait_until(lambda: page.figure("shards run") == "2 of 2")
    node = status["nodes"][0]["name"]
    assert page.cell(node, "shards") == "0, 1"
    assert page.cell(node, "restarts") == "1"
    assert page.barriers() == []
    page.shoot("cluster")

    directory = machine.folder / "data" / "ray"
    assert directory.stat().st_mode & 0o777 == 0o700
    logs = {path.name for path in (directory / "logs").iterdir()}
    assert {"shard-0.log", "shard-1.log", "gateway.log", "keeper-0.log", "cluster.log"} <= logs

    pids = tree(machine.node_process())
    assert machine.said("cluster", "stop") == "The cluster is stopped."
    wait_until(lambda: not any(map(lives, pids)), timeout_s=20)
    assert "no node of a cluster runs on this machine" in machine.said("cluster", "stop", code=1)
    assert machine.said("cluster", "status") == "No cluster runs on this fleet."
    for number in range(SHARDS):  # in order
        assert (directory / f"logs/shard-{number}.log").read_text().rstrip().endswith("stopped")
    secret = machine.secret.encode()
    for path in directory.rglob("*"):
        if path.is_file():
            assert secret not in path.read_bytes(), path
    for path in (directory / "logs").iterdir():  # those of ours
        assert "Traceback" not in path.read_text(), path


def test_ray_is_closed_to_who_has_no_token(machine: OneMachine) -> None:
    """Given a cluster; when somebody else on this machine connects to it; then Ray refuses it."""
    machine.said("cluster", "start", "--port", str(machine.port))
    connect = f"import ray; ray.init(address='127.0.0.2:{machine.port}')"

    refused = subprocess.run(
        [sys.executable, "-c", connect],
        env={"PATH": os.environ["PATH"], "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert refused.returncode != 0
    assert "InvalidAuthToken" in refused.stderr + refused.stdout
    machine.said("cluster", "stop")


def test_a_kill_of_the_node_itself_leaves_nothing_behind(machine: OneMachine) -> None:
    """Given a cluster; when the process that keeps the node is killed; then all that it began ends,
    and the next start goes on with the same shards. Ray's agents look for their head for a while,
    when that one ends with them."""
    machine.said("cluster", "start", "--port", str(machine.port))
    wait_until(machine.all_run, timeout_s=30)
    node = machine.node_process()
    pids = tree(node)
    shard = machine.process_of(0)
    assert shard in pids
    assert parent(shard or 0) in pids

    os.kill(node, signal.SIGKILL)
    wait_until(
        lambda: not any(map(lives, pids)),
        timeout_s=180,
        otherwise=lambda: "left: " + "; ".join(command_of(pid) for pid in pids if lives(pid)),
    )

    machine.said("cluster", "start", "--port", str(machine.port))
    wait_until(machine.all_run, timeout_s=30)
    assert machine.process_of(0) != shard
    assert machine.said("cluster", "stop") == "The cluster is stopped."


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "words"),
    [
        ((), {"FLEET__SHARDS": "1"}, 2, "FLEET__SHARDS: is 1"),
        (("--address", "192.0.2.7"), {}, 2, "--address is HOST:PORT"),
        (("--address", "127.0.0.2:6379"), {}, 2, "DATABASE__URL: more than one node needs"),
        ((), {"DATA_DIR": "/tmp/" + "long" * 10}, 1, "DATA_DIR: /tmp/longlonglong"),
    ],
)
def test_what_cannot_be_begun_is_said_at_once(
    machine: OneMachine,
    arguments: tuple[str, ...],
    settings: dict[str, str],
    code: int,
    words: str,
) -> None:
    said = machine.said("cluster", "start", *arguments, code=code, **settings)

    assert words in said
    assert "Traceback" not in said
