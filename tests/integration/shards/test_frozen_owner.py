"""An owner on SQLite that stands still is ended by its standby, and nobody else is.

The kernel has the lock of a frozen process as of any other.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.platform.shards.file_lease import MAX_SILENCE_S, MIN_OBSERVED_S
from app.platform.shards.machine import boottime_s
from containers import Container
from tests.integration.shards.conftest import MakeShard
from tests.integration.shards.test_lease import standby
from tests.support.waiting import wait_until

OWNER = """
import sys
from containers import Container
from app.settings import Settings
container = Container()
container.settings.override(Settings(
    data_dir=sys.argv[1],
    vtn={"base_url": "http://127.0.0.1:9", "bearer_token": "x"},
    fleet={"shards": 2, "shard": 0},
))
container.platform.owner().acquire()
print("runs", flush=True)
sys.stdin.read()
"""
ROOT = Path(__file__).parents[3]


class TestFrozen:
    KINDS = ("sqlite",)

    @pytest.fixture
    def owner(self, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
        """A process that runs shard 0."""
        process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(tmp_path / "data")],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "runs\n"
        yield process
        process.kill()
        process.communicate()

    @pytest.fixture
    def waiting(self, make_shard: MakeShard) -> Iterator[Container]:
        """A standby, for which much time has passed whenever it looks."""
        container = make_shard(0, of=2)
        looks = iter(range(1_000_000))
        with (
            container.platform.boottime.override(lambda: boottime_s() + MAX_SILENCE_S),
            container.platform.monotonic.override(lambda: next(looks) * MIN_OBSERVED_S),
        ):
            yield container

    def test_one_that_stands_still_is_ended(
        self, owner: subprocess.Popen[str], waiting: Container, caplog: pytest.LogCaptureFixture
    ) -> None:
        owner.send_signal(signal.SIGSTOP)

        with standby(waiting) as runs:
            wait_until(runs.is_set)

        assert owner.wait(5) == -signal.SIGKILL
        assert re.search(rf":{owner.pid} has stood still for \d+ s and was ended", caplog.text)

    def test_one_that_lives_is_not(
        self, owner: subprocess.Popen[str], make_shard: MakeShard
    ) -> None:
        container = make_shard(0, of=2)
        looks = iter(range(1_000_000))
        with (
            container.platform.monotonic.override(lambda: next(looks) * MIN_OBSERVED_S),
            standby(container) as runs,
        ):
            assert not runs.wait(1.0)

        assert owner.poll() is None

    @pytest.mark.parametrize(
        ("changed", "words"),
        [
            ({"boot_id": "another"}, "it is of another machine, or of before this one started"),
            ({"pid_namespace": "pid:[1]"}, "it is in another container"),
            ({"started": 1}, "is not the one that has the lock"),
        ],
    )
    def test_one_that_may_be_somebody_else_is_left(
        self,
        owner: subprocess.Popen[str],
        waiting: Container,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
        changed: dict[str, object],
        words: str,
    ) -> None:
        owner.send_signal(signal.SIGSTOP)
        path = tmp_path / "data" / "shard-0" / "run.lock"
        said = {**json.loads(path.read_bytes()), **changed}
        path.write_bytes(json.dumps(said).encode())

        with standby(waiting) as runs:
            wait_until(lambda: words in caplog.text)
            assert not runs.is_set()

        assert owner.poll() is None
        assert caplog.text.count(words) == 1

    def test_what_is_not_understood_is_left(
        self, owner: subprocess.Popen[str], waiting: Container, tmp_path: Path
    ) -> None:
        owner.send_signal(signal.SIGSTOP)
        (tmp_path / "data" / "shard-0" / "run.lock").write_bytes(b'{"pid": 1')

        with standby(waiting) as runs:
            assert not runs.wait(1.0)

        assert owner.poll() is None

    def test_the_epoch_rises_with_each_owner(self, make_shard: MakeShard) -> None:
        epochs = []
        for _ in range(3):
            container = make_shard(0, of=2)
            container.platform.owner().acquire()
            with container.platform.database().read() as connection:
                epochs.append(connection.exec_driver_sql("SELECT epoch FROM lease").scalar())
            container.platform.owner().release()

        assert epochs == [1, 2, 3]
