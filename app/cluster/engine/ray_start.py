"""`ray start`: a process in the foreground, which is begun again when it ends."""

from __future__ import annotations

import logging
import signal
import socket
import subprocess  # nosec B404
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from app.cluster.children import ends_with_this_process

logger = logging.getLogger(__name__)
RESTS_S = 2.0
"""Between two beginnings."""
ENDS_WITHIN_S = 10.0
OBJECT_STORE_BYTES = 80_000_000
"""The least that Ray takes: nothing of ours goes through it."""
CLIENT_PORTS = range(20_000, 65_536)
"""Of Ray's own ones, others are below."""
RAY_VARIABLES = {
    "RAY_AUTH_MODE": "token",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Else a frozen node is taken for a living one for a minute.
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    # Supervisors take no memory: to end one would not help. The kernel chooses better.
    "RAY_memory_monitor_refresh_ms": "0",
    # Supervisors were stopped before, and keepers need not be waited for.
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    # Else each node serves metrics to everybody.
    "RAY_enable_metrics_collection": "0",
    # Shards go on for a week without a head.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "604800",
}

ALL_KEEPERS = "keepers"


class Place(NamedTuple):
    """Where Ray keeps its files, and what it is reached by."""

    directory: Path
    """Only its owner may enter: below, Ray makes everything for everybody."""
    token_file: Path
    ip_address: str
    """Of this machine, as the others reach it."""


def head_command(place: Place, port: int) -> list[str]:
    """Of what knows which nodes and supervisors there are. No supervisor is placed on it."""
    return _command(
        place,
        "head",
        {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(place.directory / "store")},
        "--head",
        f"--port={port}",
        f"--ray-client-server-port={_free_port()}",
        "--num-cpus=0",
        "--include-dashboard=false",
        "--no-monitor",
    )


def node_command(place: Place, head: str, *, name: str, resource: str) -> list[str]:
    """Of what runs supervisors on this machine, one shard for each core."""
    return _command(
        place,
        "node",
        {"VEN_FLEET_LOGS": str(place.directory / "logs")},
        f"--address={head}",
        f"--node-name={name}",
        f'--resources={{"{resource}": 1}}',
    )


def keepers_command(place: Place, head: str) -> list[str]:
    """Of what begins the keepers, and ends: in a process of its own, which Ray changes."""
    return [
        *_in_environment(place, {}),
        *(sys.executable, "-m", "app", "cluster", "child", ALL_KEEPERS, "--head", head),
    ]


def _command(place: Place, part: str, more: Mapping[str, str], *options: str) -> list[str]:
    return [
        *_in_environment(place, more),
        *(str(Path(sys.executable).with_name("ray")), "start", "--block", *options),
        "--log-color=false",
        f"--node-ip-address={place.ip_address}",
        f"--temp-dir={place.directory / part}",
        "--disable-usage-stats",
        "--include-log-monitor=false",
        "--dashboard-agent-listen-port=0",
        f"--object-store-memory={OBJECT_STORE_BYTES}",
    ]


def _in_environment(place: Place, more: Mapping[str, str]) -> list[str]:
    """What stands before a command: it ends with this process, and has Ray's variables.

    It ends at once: where the head ended in order with its node, nodes were seen on which no
    supervisor began any more.
    """
    variables = {**RAY_VARIABLES, "RAY_AUTH_TOKEN_PATH": str(place.token_file), **more}
    return ends_with_this_process(
        "/usr/bin/env", *(f"{name}={value}" for name, value in variables.items())
    )


def _free_port() -> int:
    """One that nothing of Ray's takes by itself, as it does with those from 10002 to 19999."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port in CLIENT_PORTS:
            return port


class RayStart:
    """`ray start` of a head or of a node. For one thread, which has to last as long.

    `log_file`: what it prints; `forget`: a file that a former one left, which would keep it from
    beginning.
    """

    def __init__(
        self,
        title: str,
        command: Callable[[], Sequence[str]],
        *,
        log_file: Path,
        forget: Path,
        monotonic: Callable[[], float],
    ) -> None:
        self._title = title
        self._command = command
        self._log_file = log_file
        self._forget = forget
        self._monotonic = monotonic
        self._process: subprocess.Popen[bytes] | None = None
        self._began_s = float("-inf")

    @property
    def is_running(self) -> bool:
        """Whether it was begun and has not ended."""
        if self._process is None:
            return False
        code = self._process.poll()
        if code is None:
            return True
        logger.warning("%s ended with %d; see %s", self._title, code, self._log_file)
        self._process = None
        return False

    def keep(self) -> bool:
        """Begin it where it does not run, but not too often; whether it was begun now."""
        if self.is_running or self._monotonic() - self._began_s < RESTS_S:
            return False
        self._began_s = self._monotonic()
        self._forget.unlink(missing_ok=True)
        with open(self._log_file, "ab") as log:
            self._process = subprocess.Popen(  # nosec B603
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return True

    def end(self) -> None:
        """In order, or else at once; may be called again."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
