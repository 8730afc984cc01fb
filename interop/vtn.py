"""A VTN of others, as a process."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import requests

from tests.support.waiting import wait_until


class Vtn:
    """Runs `command` with this environment; its API is below `base_url`, its health at
    `health_url`. It logs to vtn.log in `directory`."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        base_url: str,
        health_url: str,
    ) -> None:
        self._command = command
        self._environment = environment
        self._directory = directory
        self.base_url = base_url
        self._health_url = health_url
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._directory / "vtn.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._environment, cwd=self._directory, stdout=log, stderr=log
            )
        wait_until(self._is_healthy, otherwise=self._log)

    def stop(self) -> None:
        """May be called again."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def token(self, client_id: str, client_secret: str) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
        }
        answer = requests.post(f"{self.base_url}/auth/token", data=form, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def _is_healthy(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log()
        try:
            return requests.get(self._health_url, timeout=2).ok
        except requests.ConnectionError:
            return False

    def _log(self) -> str:
        return (self._directory / "vtn.log").read_text(errors="replace")[-2000:]
