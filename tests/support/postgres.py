"""A real PostgreSQL, in a temporary directory and on a free port."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from tests.support.needed import cannot_test
from tests.support.servers import free_port
from tests.support.waiting import wait_until

BINARIES = Path("/usr/lib/postgresql")
USER = "postgres"
"""Who it runs as where the tests run as root, which it refuses."""


def binaries() -> Path | None:
    """Where Debian's package puts the server; None where it is not installed."""
    found = sorted(BINARIES.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


def owned(directory: Path) -> Sequence[str]:
    """Make the directory for a server, and what its command begins with: root may run none."""
    directory.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() != 0:
        return ()
    account = pwd.getpwnam(USER)
    os.chown(directory, account.pw_uid, account.pw_gid)
    return ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups")


STARTS = 5
"""Of a server, each on another port."""


class Postgres:
    """Started by `start`, ended by `close`; each test has a database of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        """Of the server; a database's name follows."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Make its files and start it; skips the test on a machine without it, but not in CI."""
        where = binaries()
        if where is None:
            cannot_test("PostgreSQL is missing (Debian: apt install postgresql)")
        as_user = owned(self._directory)
        data = self._directory / "data"
        subprocess.run(
            [*as_user, where / "initdb", "-D", data, "-U", USER, "-A", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        for _ in range(STARTS):
            self._process = self._started(as_user, where, data)
            wait_until(lambda: self._has_ended() or self._answers(), timeout_s=20)
            if not self._has_ended():
                return
            self.port = free_port()  # somebody else took the one before meanwhile
        raise AssertionError("PostgreSQL does not start")

    def _started(self, as_user: Sequence[str], where: Path, data: Path) -> subprocess.Popen[bytes]:
        options = ("-p", str(self.port), "-k", str(self._directory), "-h", "127.0.0.1")
        hasty = ("-c", "fsync=off", "-c", "full_page_writes=off")  # nothing outlives the tests
        return subprocess.Popen(
            [*as_user, where / "postgres", "-D", data, *options, *hasty],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )

    def _has_ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def make_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{uuid.uuid4().hex}"
        with self._connection() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.url}/{name}"

    def restart(self) -> None:
        """It crashes, and is started again at once: what was committed is there."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(10)
        where = binaries()
        assert where is not None
        as_user, data = owned(self._directory), self._directory / "data"
        self._process = self._started(as_user, where, data)
        wait_until(self._answers, timeout_s=20)

    def drop_connections(self) -> None:
        """End every session but this one, as a restart of the server does."""
        with self._connection() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )

    @contextmanager
    def silent(self) -> Iterator[None]:
        """It takes connections and answers nothing, as a machine does whose disk hangs."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        stopped = [self._process.pid, *map(int, children.read_text().split())]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # at once: nothing is kept
            self._process.wait(10)

    def _connection(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname="postgres", autocommit=True
        )

    def _answers(self) -> bool:
        """Whether it does, and no other one that has its port."""
        try:
            with self._connection() as connection:
                (found,) = connection.execute("SHOW data_directory").fetchone() or ("",)
        except psycopg.OperationalError:
            return False
        return found == str(self._directory / "data")
