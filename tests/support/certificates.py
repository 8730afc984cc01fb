"""Certificates for servers on loopback, made with openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate of 127.0.0.1, localhost and 127.1 that is its own authority, and its key."""

    certificate: Path
    key: Path


def make_certificate(directory: Path, name: str = "server") -> Certificate:
    """PEM files in this directory."""
    made = Certificate(
        certificate=directory / f"{name}.pem",
        key=directory / f"{name}.key",
    )
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", str(made.key), "-out", str(made.certificate)),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:127.1"),
        ],
        check=True,
        capture_output=True,
    )
    return made
