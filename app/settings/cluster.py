"""What machines that run shards of one fleet have to have in common."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from pydantic import SecretStr

from app.settings.effective import leaves

if TYPE_CHECKING:
    from app.settings.model import Settings

MAY_DIFFER = frozenset(
    (
        "BL__CLIENT_SECRET",
        "CALLBACK__CERTIFICATE",
        "CALLBACK__HOST",
        "CALLBACK__KEY",
        "CALLBACK__PORT",
        "DATABASE__URL",
        "DATA_DIR",
        "FLEET__SHARD",
        "GATEWAY__CA",
        "GATEWAY__CERTIFICATE",
        "GATEWAY__HOST",
        "GATEWAY__KEY",
        "GATEWAY__PORT",
        "INTAKE__CERTIFICATE",
        "INTAKE__HOST",
        "INTAKE__KEY",
        "INTAKE__PORT",
        "LOG__FORMAT",
        "LOG__LEVEL",
        "OPS__HOST",
        "OPS__PORT",
        "SOURCES_FILE",
        "VTN__CLIENT_SECRET",
        "VTN__CREDENTIALS_FILE",
    )
)
"""What a machine listens on, where its files are, and what is read again when it changes. That the
database is the same one, is seen there."""
DIGITS = 16


def digests(settings: Settings, key: bytes) -> dict[str, str]:
    """What tells whether two machines have the same settings, by name; a secret cannot be guessed
    from it without `key`."""
    return {
        name: hmac.new(key, f"{name}={_text(value)}".encode(), hashlib.sha256).hexdigest()[:DIGITS]
        for name, value in leaves(settings)
        if name not in MAY_DIFFER
    }


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
