"""`openadr`, a VTN in Rust by hupe1980: built by name and version, and run; with its own
conformance suite, which measures any VTN."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests

from interop import cargo
from tests.support.servers import free_port
from tests.support.waiting import wait_until

VERSION = "0.4.0"
FEATURES = "vtn,client,internal-auth,sqlite,mqtt,webhook,conformance"
BASE_PATH = "/openadr3/3.1.0"


def install(root: Path) -> Path:
    """The program; it needs Rust 1.96, which may be the nightly one."""
    cargo.need(cargo.TOOLS)
    return cargo.installed(
        "openadr",
        VERSION,
        root / f"openadr-{VERSION}",
        program="openadr",
        features=FEATURES,
        toolchains=("", "+nightly"),
    )


class OpenAdrCrate:
    """The VTN as a process, on SQLite, strict about what it is sent.

    Its clients are business logic 'bl' and the VENs 'ven-NAME'. `options`: how it pushes;
    `authority`: the certificate by which it knows who is called back.
    """

    def __init__(
        self,
        program: Path,
        directory: Path,
        ven_names: Sequence[str],
        *options: str,
        authority: Path,
    ) -> None:
        self._authority = authority
        self._program = program
        self._directory = directory
        self._clients = [
            "bl:bl-secret:bl",
            *(f"ven-{name}:secret-{name}:ven" for name in ven_names),
        ]
        self._options = options
        self._root = f"http://127.0.0.1:{(port := free_port())}"
        self._listen = f"127.0.0.1:{port}"
        self.base_url = self._root + BASE_PATH
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        clients = [word for each in self._clients for word in ("--client", each)]
        command = [
            *(str(self._program), "vtn", "--listen", self._listen, *clients),
            *("--database", str(self._directory / "openadr.sqlite")),
            # The same after a restart, or the tokens of before are none.
            *("--token-key", "k" * 32, "--payload-validation", "strict", *self._options),
        ]
        environment = {"RUST_LOG": "warn", "SSL_CERT_FILE": str(self._authority)}
        with (self._directory / "vtn.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, env=environment, cwd=self._directory, stdout=log, stderr=log
            )
        wait_until(self._is_healthy, otherwise=self._log)

    def stop(self) -> None:
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
            return requests.get(f"{self._root}/health", timeout=2).ok
        except requests.ConnectionError:
            return False

    def _log(self) -> str:
        return (self._directory / "vtn.log").read_text(errors="replace")[-2000:]


def conformance(
    program: Path, base_url: str, *, bl: tuple[str, str], ven: tuple[str, str]
) -> dict[str, Any]:
    """The suite's report on the VTN at `base_url`; `bl`, `ven`: client ids and their secrets."""
    done = subprocess.run(
        [
            *(str(program), "conformance", "--json", "--url", base_url),
            *("--bl-client", ":".join(bl), "--ven-client", ":".join(ven)),
            *("--ven-client-id", ven[0]),
        ],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found
