"""The application as a user runs it: a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from tests.support.waiting import wait_until

STOPS_WITHIN_S = 10
"""The contract: an orderly stop."""


class Application:
    """`python -m app` with only these settings in its environment, in this directory."""

    def __init__(self, *arguments: str, cwd: Path, settings: Mapping[str, str]) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in ("PATH", "HOME", "LANG", "CI")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "app", *arguments],
            cwd=cwd,
            env={**environment, "PYTHONFAULTHANDLER": "1", **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._lines: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._readers = [
            threading.Thread(target=self._read, args=(name,), daemon=True) for name in self._lines
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        stream = getattr(self._process, name)
        for line in stream:
            self._lines[name].append(line.rstrip("\n"))
        stream.close()

    @property
    def log(self) -> str:
        return "\n".join(self._lines["stderr"])

    @property
    def output(self) -> str:
        return "\n".join(self._lines["stdout"])

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, pattern: str, *, times: int = 1) -> None:
        """Until the log has so many lines like this."""
        wait_until(
            lambda: len(re.findall(pattern, self.log)) >= times or self._process.poll() is not None,
            timeout_s=40,
            otherwise=lambda: f"{pattern!r} is not in\n{self.log}",
        )
        assert len(re.findall(pattern, self.log)) >= times, self.log

    def tell(self, number: signal.Signals) -> None:
        """Only that; twice the same may reach it as one, if it had no time between them."""
        time.sleep(0.2)
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it, and return its exit code; it has as long as the contract says."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self.join(STOPS_WITHIN_S)

    def join(self, timeout_s: float = 60) -> int:
        """Its exit code, when it ends by itself."""
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # shows where each thread stands
            self._process.wait()
            for reader in self._readers:
                reader.join(5)
            raise AssertionError(f"it did not end in {timeout_s} s:\n{self.log}") from None
        for reader in self._readers:
            reader.join(5)
        return code

    def kill(self) -> None:
        """SIGKILL, if it is still there."""
        if self._process.poll() is None:
            self._process.kill()
            self.join()
