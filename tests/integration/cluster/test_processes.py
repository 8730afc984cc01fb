"""What a node begins: begun again when it ends, and ended with who began it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cluster.children import SCRIPT
from app.cluster.engine.ray_start import RESTS_S, RayStart
from tests.support.cluster import lives
from tests.support.waiting import wait_until

PARENT = """
import subprocess
from app.cluster.children import ends_with_this_process
child = subprocess.Popen(
    ends_with_this_process("/bin/sleep", "600"),
)
print(child.pid, flush=True)
child.wait()
"""


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """What is begun adds a line to it."""
    return tmp_path / "begun"


@pytest.fixture
def start(tmp_path: Path, begun: Path, clock: Clock) -> Iterator[RayStart]:
    """Of something that ends when the file `end` is there."""
    script = f"echo once >> {begun}; until test -e {tmp_path}/end; do sleep 0.02; done; exit 3"
    made = RayStart(
        "what is begun",
        lambda: ["/bin/sh", "-c", script],
        log_file=tmp_path / "log",
        forget=tmp_path / "left over",
        monotonic=clock,
    )
    yield made
    made.end()


def times(begun: Path) -> int:
    return len(begun.read_text().splitlines()) if begun.exists() else 0


def test_what_runs_is_left_alone(start: RayStart, begun: Path) -> None:
    assert start.keep()
    assert not start.keep()
    wait_until(lambda: times(begun) == 1)
    assert start.is_running


def test_what_ended_is_begun_again_but_not_at_once(
    start: RayStart, begun: Path, clock: Clock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start.keep()
    wait_until(lambda: times(begun) == 1)
    (tmp_path / "end").touch()
    wait_until(lambda: not start.is_running)
    assert f"what is begun ended with 3; see {tmp_path / 'log'}" in caplog.text

    assert not start.keep()
    clock.now_s += RESTS_S

    assert start.keep()
    wait_until(lambda: times(begun) == 2)


def test_what_a_former_one_left_is_removed_first(start: RayStart, tmp_path: Path) -> None:
    (tmp_path / "left over").touch()

    start.keep()

    assert not (tmp_path / "left over").exists()


def test_the_end_ends_it(start: RayStart, begun: Path) -> None:
    start.keep()
    wait_until(lambda: times(begun) == 1)

    start.end()

    assert not start.is_running


def test_a_child_ends_with_a_parent_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_until(lambda: Path(f"/proc/{child}/comm").read_text().strip() == "sleep")

    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    wait_until(lambda: not lives(child))


def test_a_child_whose_parent_has_gone_already_does_not_begin() -> None:
    """Given a parent that ended before the child had asked to be ended with it."""
    done = subprocess.run(
        [sys.executable, "-I", str(SCRIPT), "1", "/bin/echo", "began"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == "process 1 ended before /bin/echo began\n"
