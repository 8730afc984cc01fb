"""A disk without room, or read-only, stops metering; it goes on by itself when there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.platform import DatabaseError
from app.vtn import EmbeddedVtn
from tests.conftest import MakeContainer
from tests.support.fakes import FakeClock
from tests.support.needed import cannot_test
from tests.support.workbench import TICK, Bench

pytestmark = pytest.mark.in_process

SIZE = "1m"


class Disk:
    """A file system of its own, which can be filled and made read-only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"

    def mount(self) -> None:
        """Skips the test where it may not be mounted, but not in CI."""
        self.path.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(self.path)],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            cannot_test(f"only root can make a full disk: {made.stderr.strip()}")

    def fill(self) -> None:
        """Leave no room at all."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            for size in (4096, 1):
                while True:
                    try:
                        os.write(descriptor, b"x" * size)
                    except OSError:
                        break
        finally:
            os.close(descriptor)

    def reserve(self) -> None:
        self._ballast.unlink()

    def remount(self, mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", str(self.path)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=False, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "small")
    made.mount()
    yield made
    made.unmount()


@pytest.fixture
def small_bench(
    disk: Disk, vtn: EmbeddedVtn, make_container: MakeContainer, clock: FakeClock
) -> Bench:
    container = make_container(
        vtn={"embedded_port": vtn.port},
        database={"url": f"sqlite:///{disk.path / 'fleet.db'}"},
    )
    bench = Bench(container, vtn, clock)
    bench.enrol()
    return bench


def ticks_that_are_stored(bench: Bench, tries: int) -> int:
    """How many of so many ticks the store accepted."""
    stored = 0
    for _ in range(tries):
        try:
            bench.tick()
        except DatabaseError:
            continue
        stored += 1
    return stored


def check(bench: Bench) -> str:
    with bench.container.platform.database().read() as connection:
        return str(connection.exec_driver_sql("PRAGMA integrity_check").scalar_one())


def test_a_full_disk_stops_metering_and_nothing_is_lost(small_bench: Bench, disk: Disk) -> None:
    small_bench.tick(3)
    small_bench.manager.generate_reports()
    stored = 3 + ticks_that_are_stored(small_bench, 3)

    disk.fill()
    stored += ticks_that_are_stored(small_bench, 200)
    assert small_bench.container.simulator().problem is not None
    assert stored < 206, "the disk was never full"
    assert "the latest readings could not be stored: database" in str(
        small_bench.container.ops.health().readiness()
    )

    disk.reserve()
    stored += ticks_that_are_stored(small_bench, 3)
    small_bench.clock.advance(minutes=1)
    small_bench.manager.generate_reports()

    assert small_bench.container.simulator().problem is None
    assert check(small_bench) == "ok"
    small_bench.assert_each_once(stored * TICK)


def test_reports_that_were_under_way_when_the_disk_filled_arrive_once(
    small_bench: Bench, disk: Disk
) -> None:
    small_bench.tick(3)
    disk.fill()
    while ticks_that_are_stored(small_bench, 1):
        pass
    for _ in range(3):
        try:
            small_bench.manager.generate_reports()
        except DatabaseError:
            continue
    disk.reserve()
    small_bench.clock.advance(minutes=1)
    small_bench.manager.generate_reports()

    frames = small_bench.container.readings.log().newest_seq()
    small_bench.assert_each_once(frames * TICK)


def test_a_disk_that_becomes_read_only_stops_metering_until_it_is_writable(
    small_bench: Bench, disk: Disk
) -> None:
    small_bench.tick(2)
    # What is open for writing cannot be remounted.
    small_bench.container.platform.database().close()
    disk.remount("ro")

    with pytest.raises(DatabaseError, match=r"readonly|read-only|unable to open"):
        small_bench.tick()

    small_bench.container.platform.database().close()
    disk.remount("rw")
    small_bench.tick()
    small_bench.manager.generate_reports()
    small_bench.assert_each_once(3 * TICK)
