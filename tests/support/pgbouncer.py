"""A real pgbouncer before a PostgreSQL, in a temporary directory and on a free port."""

from __future__ import annotations

import socket
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Literal

from tests.support.needed import program
from tests.support.postgres import USER, owned
from tests.support.servers import free_port
from tests.support.waiting import wait_until


class Pgbouncer:
    """Started when it is made, ended by `close`. `pool_size`: sessions that it has at a time."""

    def __init__(
        self,
        directory: Path,
        server_port: int,
        mode: Literal["session", "transaction"],
        *,
        pool_size: int = 20,
    ) -> None:
        found = program("pgbouncer", package="pgbouncer")
        self.port = free_port()
        as_user = owned(directory)
        settings = directory / "pgbouncer.ini"
        settings.write_text(
            f"[databases]\n* = host=127.0.0.1 port={server_port} user={USER}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {self.port}\n"
            f"auth_type = any\npool_mode = {mode}\ndefault_pool_size = {pool_size}\n"
            "unix_socket_dir =\nlogfile =\n"
            "ignore_startup_parameters = extra_float_digits,options\n"
        )
        settings.chmod(0o644)
        self._process = subprocess.Popen(
            [*as_user, found, str(settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        wait_until(self._listens, timeout_s=20)

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.port}/{database}"

    def close(self) -> None:
        self._process.kill()  # it has nothing to keep; newer ones wait for clients otherwise
        self._process.wait(10)

    def _listens(self) -> bool:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False
