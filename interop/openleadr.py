"""openleadr-vtn, the reference VTN of LF Energy: installed by name and version, and run."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
import requests

from interop import cargo
from interop.checks import Missing
from interop.vtn import Vtn
from tests.support.postgres import binaries
from tests.support.servers import free_port

VERSION = "0.2.8"
BUSINESS = (
    "read_all write_programs write_events write_vens_bl write_reports_bl write_subscriptions_bl"
)
VEN = "read_targets read_ven_objects write_reports write_subscriptions write_vens"
TOPIC_PREFIX = "adr/"


def check_tools() -> None:
    """What is needed beside Python. Missing names the first that is not there."""
    cargo.need(
        (
            *cargo.TOOLS,
            ("cmake", "cmake (apt install cmake)"),
            ("pkg-config", "pkg-config (apt install pkg-config)"),
        )
    )
    if subprocess.run(["pkg-config", "--exists", "openssl"], check=False).returncode:
        raise Missing("OpenSSL's headers are missing (apt install libssl-dev)")
    if binaries() is None:
        raise Missing("PostgreSQL is missing (apt install postgresql)")


def install(root: Path) -> Path:
    """The program, built when it is not there yet."""
    check_tools()
    return cargo.installed(
        "openleadr-vtn",
        VERSION,
        root / f"openleadr-{VERSION}",
        program="openleadr-vtn",
        features="internal-oauth",
        toolchains=("",),
    )


def migrations() -> list[Path]:
    """The migrations of this version, as its package has them."""
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = sorted(home.glob(f"registry/src/*/openleadr-vtn-{VERSION}/migrations/*.sql"))
    if not found:
        raise Missing(f"the sources of openleadr-vtn {VERSION} are not in {home}/registry")
    return found


def migrate(connection: psycopg.Connection[Any]) -> None:
    """Bring an empty database up to date, in the way that openleadr recognises afterwards.

    It would do so by itself, but one of its migrations needs PostgreSQL 16: 15 wants a name for a
    sub-query. It then goes on with half a schema and says so only in its log.
    """
    connection.execute(
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL,"
        " installed_on TIMESTAMPTZ NOT NULL DEFAULT now(), success BOOLEAN NOT NULL,"
        " checksum BYTEA NOT NULL, execution_time BIGINT NOT NULL)"
    )
    unnamed = "FROM (SELECT unnest(_scopes) AS scope)\n"
    for path in migrations():
        sql = path.read_text().replace(unnamed, unnamed.rstrip() + " AS each_scope\n")
        connection.execute(sql.encode())
        version, _, description = path.stem.partition("_")
        connection.execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)"
            " VALUES (%s, %s, true, %s, 0)",
            (
                int(version),
                description.replace("_", " "),
                hashlib.sha384(path.read_bytes()).digest(),
            ),
        )


class OpenLeadr(Vtn):
    """The VTN as a process. It listens on all addresses, so its secrets are made anew each time."""

    def __init__(self, program: Path, directory: Path, *, database: str, broker_port: int) -> None:
        self._key = secrets.token_bytes(32)
        port = free_port()
        base_url = f"http://127.0.0.1:{port}"
        environment = {
            "PATH": "/usr/bin",
            "RUST_LOG": "warn",
            "PORT": str(port),
            "DATABASE_URL": database,
            "OAUTH_TYPE": "INTERNAL",
            "OAUTH_BASE64_SECRET": base64.b64encode(self._key).decode(),
            "OAUTH_TOKEN_URL": f"{base_url}/auth/token",
            "MQTT_URL": f"mqtt://127.0.0.1:{broker_port}",
            "MQTT_USERNAME": "vtn",
            "MQTT_PASSWORD": "vtn",
            "MQTT_TOPIC_PREFIX": TOPIC_PREFIX,
        }
        super().__init__(
            [str(program)],
            environment,
            directory,
            base_url=base_url,
            health_url=f"{base_url}/health",
        )

    def add_client(self, client_id: str, client_secret: str, scopes: str) -> None:
        """A user with credentials, by its own API (internal-oauth)."""
        signed = {"Authorization": f"Bearer {self._setup_token()}"}
        user = {"reference": client_id, "scope": scopes.split()}
        made = requests.post(f"{self.base_url}/users", json=user, headers=signed, timeout=10)
        made.raise_for_status()
        credential = {"client_id": client_id, "client_secret": client_secret}
        path = f"{self.base_url}/users/{made.json()['id']}"
        requests.post(path, json=credential, headers=signed, timeout=10).raise_for_status()

    def _setup_token(self) -> str:
        """For the first user, without SQL: signed with the key that was given to the VTN."""
        now = int(time.time())
        claims = {"sub": "setup", "scope": "write_users", "iat": now, "nbf": now - 5}
        parts = ({"alg": "HS256", "typ": "JWT"}, {**claims, "exp": now + 600})
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in parts)
        signature = hmac.digest(self._key, signed, "sha256")
        return b".".join((signed, _encoded(signature))).decode()


def _encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")
