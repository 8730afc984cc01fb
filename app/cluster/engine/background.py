"""The node of this machine as a process that goes on when its terminal is closed."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess  # nosec B404
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from app.cluster.engine.errors import ClusterError
from app.cluster.engine.record import ClusterRecord, Seen
from app.platform import process_name

LOOKS_EVERY_S = 0.2
BEGINS_WITHIN_S = 120.0
SHARDS_STOP_WITHIN_S = 60.0
ENDS_WITHIN_S = 90.0


class Running(NamedTuple):
    """The process that runs the node of this machine."""

    pid: int
    head: str | None
    """Its host and port, where that one is the head."""


class Background:
    """Begins that process, finds it and ends it. Building it does no I/O.

    `lock_file`: which it holds as long as it lives; `log_file`: what it prints.
    """

    def __init__(
        self,
        *,
        lock_file: Path,
        log_file: Path,
        record: ClusterRecord,
        monotonic: Callable[[], float],
    ) -> None:
        self._lock_file = lock_file
        self._log_file = log_file
        self._record = record
        self._monotonic = monotonic

    def begin(self, arguments: Sequence[str]) -> Seen:
        """Return when the keeper sees the node. ClusterError: it does not begin, or not in time."""
        self._log_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(self._log_file, "ab") as log:
            began_at = log.tell()
            process = subprocess.Popen(  # nosec B603
                [sys.executable, "-m", "app", "cluster", "start", "--foreground", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        name = process_name(process.pid)
        until_s = self._monotonic() + BEGINS_WITHIN_S
        while self._monotonic() < until_s:
            if process.poll() is not None:
                raise ClusterError(
                    f"the node ended with {process.returncode}: {self._said(began_at)}"
                )
            seen = self._record.seen()
            if seen is not None and any(node.name == name for node in seen.nodes):
                return seen
            _pause()
        raise ClusterError(f"the node does not begin, and goes on trying; see {self._log_file}")

    def _said(self, since: int) -> str:
        """The last line of what it printed."""
        with open(self._log_file, "rb") as log:
            log.seek(since)
            lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def running(self) -> Running | None:
        """None: no node runs on this machine."""
        try:
            with open(self._lock_file) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return Running(**json.load(file))
        except (FileNotFoundError, json.JSONDecodeError):  # not there, or just being written
            return None
        return None

    def stop(self) -> bool:
        """End it in order; the head of the fleet with all that runs on any node; whether it was
        that. ClusterError: there is none, or it does not end in time."""
        running = self.running()
        if running is None:
            raise ClusterError("no node of a cluster runs on this machine")
        begun = self._record.begun()
        is_head = begun is not None and begun.head == running.head
        if is_head:
            self._record.stop()
            self._wait(self._has_stopped, SHARDS_STOP_WITHIN_S)
        if self.running() == running:
            os.kill(running.pid, signal.SIGTERM)
        if not self._wait(lambda: self.running() is None, ENDS_WITHIN_S):
            raise ClusterError(f"process {running.pid} does not end; see {self._log_file}")
        return is_head

    def _has_stopped(self) -> bool:
        seen = self._record.seen()
        return seen is None or seen.supervisors == 0

    def _wait(self, condition: Callable[[], bool], within_s: float) -> bool:
        until_s = self._monotonic() + within_s
        while not condition():
            if self._monotonic() > until_s:
                return False
            _pause()
        return True


def _pause() -> None:
    threading.Event().wait(LOOKS_EVERY_S)
