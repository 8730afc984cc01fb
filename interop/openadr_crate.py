"""`openadr`, a VTN in Rust by hupe1980: built by name and version, and run; with its own
conformance suite, which measures any VTN."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from interop import cargo
from interop.vtn import Vtn
from tests.support.servers import free_port

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


def vtn(
    program: Path, directory: Path, ven_names: Sequence[str], *options: str, authority: Path
) -> Vtn:
    """The VTN on SQLite, strict about what it is sent; clients are 'bl' and the VENs 'ven-NAME'.

    `options`: how it pushes; `authority`: the certificate by which it knows who is called back.
    """
    clients = ["bl:bl-secret:bl", *(f"ven-{name}:secret-{name}:ven" for name in ven_names)]
    port = free_port()
    command = [
        *(str(program), "vtn", "--listen", f"127.0.0.1:{port}"),
        *(word for client in clients for word in ("--client", client)),
        *("--database", str(directory / "openadr.sqlite")),
        # The same after a restart, or the tokens of before are none.
        *("--token-key", secrets.token_hex(16), "--payload-validation", "strict", *options),
    ]
    return Vtn(
        command,
        {"RUST_LOG": "warn", "SSL_CERT_FILE": str(authority)},
        directory,
        base_url=f"http://127.0.0.1:{port}{BASE_PATH}",
        health_url=f"http://127.0.0.1:{port}/health",
    )


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
