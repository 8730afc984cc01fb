"""The embedded VTN's clients: one business logic, and as many VENs as ask."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path

from app.openadr import ClientCredentials, CredentialsTemplate
from app.platform import read_or_make

FILE = "credentials.json"


@dataclass(frozen=True, kw_only=True)
class EmbeddedCredentials:
    """Made on the first start and kept in a file that only its owner may read.

    A client that knows `ven_secret` is a VEN under the client id that it gives.
    """

    bl_client_id: str
    bl_client_secret: str = field(repr=False)
    ven_secret: str = field(repr=False)

    @classmethod
    def of(cls, directory: Path) -> EmbeddedCredentials:
        """Read them, or make them; several processes that begin at once agree on one set."""
        path = directory / FILE
        kept = read_or_make(path, _made)
        try:
            return cls(**json.loads(kept))
        except (ValueError, TypeError):
            raise ValueError(f"{path} is damaged; remove it and new credentials are made") from None


def _made() -> bytes:
    made = {
        "bl_client_id": "business-logic",
        "bl_client_secret": secrets.token_urlsafe(24),
        "ven_secret": secrets.token_urlsafe(24),
    }
    return json.dumps(made, indent=1).encode()


class EmbeddedBusinessCredentials:
    """The embedded VTN's business logic. Building it does no I/O."""

    per_ven = False

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def of(self, ven_name: str) -> ClientCredentials:  # noqa: ARG002 - one for all
        made = EmbeddedCredentials.of(self._directory)
        return ClientCredentials(client_id=made.bl_client_id, client_secret=made.bl_client_secret)

    def read_again(self) -> None:
        """They are made once, and never change."""


class EmbeddedVenCredentials:
    """Each VEN is a client of its own at the embedded VTN. Building it does no I/O."""

    per_ven = True

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._template: CredentialsTemplate | None = None

    def of(self, ven_name: str) -> ClientCredentials:
        with self._lock:
            if self._template is None:
                secret = EmbeddedCredentials.of(self._directory).ven_secret
                self._template = CredentialsTemplate("{ven_name}", secret, secret_now=lambda: None)
        return self._template.of(ven_name)

    def read_again(self) -> None:
        """They are made once, and never change."""
