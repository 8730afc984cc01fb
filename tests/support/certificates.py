"""Certificates for servers on loopback, made with openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A certificate of 127.0.0.1, localhost and 127.1 that is its own authority, and its key."""

    certificate: Path
    key: Path


P_256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
"""An RSA key takes 0.4 s to find."""
AUTHORITY = """\
[ca]
default_ca = own
[own]
new_certs_dir = .
database = index
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


def make_certificate_of(
    directory: Path, *, begins: datetime, ends: datetime, names: str = "IP:127.0.0.1"
) -> Certificate:
    """One that is its own authority, for these names and this time, in this empty directory."""
    made = Certificate(certificate=directory / "of.pem", key=directory / "of.key")
    (directory / "ca.cnf").write_text(AUTHORITY)
    (directory / "index").touch()
    asked = ("openssl", "req", "-new", *P_256, "-nodes", "-subj", "/CN=server")
    signed = ("openssl", "ca", "-batch", "-notext", "-selfsign", "-config", "ca.cnf")
    period = ("-startdate", f"{begins:%Y%m%d%H%M%SZ}", "-enddate", f"{ends:%Y%m%d%H%M%SZ}")
    for command in (
        (*asked, "-addext", f"subjectAltName={names}", "-keyout", "of.key", "-out", "of.csr"),
        (*signed, *period, "-keyfile", "of.key", "-in", "of.csr", "-out", "of.pem"),
    ):
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return made


def make_certificate(directory: Path, name: str = "server") -> Certificate:
    """PEM files in this directory."""
    made = Certificate(
        certificate=directory / f"{name}.pem",
        key=directory / f"{name}.key",
    )
    subprocess.run(
        [
            *("openssl", "req", "-x509", *P_256, "-nodes", "-days", "2"),
            *("-subj", f"/CN={name}", "-keyout", str(made.key), "-out", str(made.certificate)),
            *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:127.1"),
        ],
        check=True,
        capture_output=True,
    )
    return made
