"""Which OAuth2 client each VEN is (rules.md, 'Roles, credentials, enrolment')."""

from __future__ import annotations

import csv
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from app.openadr.errors import CredentialsError, MissingCredentials

VEN_NAME_FIELD = "{ven_name}"
_LETTERS = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa", "Æ": "Ae", "Ø": "Oe", "Å": "Aa"})


def slug(ven_name: str) -> str:
    """A VEN's name as a client id may be spelled (rules.md, 'Roles, credentials, enrolment')."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", ven_name.translate(_LETTERS))[:128]


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """OAuth2 client credentials."""

    client_id: str
    client_secret: str = field(repr=False)


class CredentialSource(Protocol):
    """Where the client credentials of each VEN come from."""

    @property
    def per_ven(self) -> bool:
        """Whether each VEN is a client of its own."""

    def of(self, ven_name: str) -> ClientCredentials:
        """The VEN's credentials. Raises CredentialsError."""


class CredentialsTemplate:
    """`{ven_name}` replaced, literally and by the name's slug: secrets contain braces."""

    def __init__(self, client_id: str, client_secret: str) -> None:
        self._client_id = client_id
        self._client_secret = client_secret

    @property
    def per_ven(self) -> bool:
        return VEN_NAME_FIELD in self._client_id

    def of(self, ven_name: str) -> ClientCredentials:
        name = slug(ven_name)
        return ClientCredentials(
            client_id=self._client_id.replace(VEN_NAME_FIELD, name),
            client_secret=self._client_secret.replace(VEN_NAME_FIELD, name),
        )


class CredentialsFile:
    """Lines of ven_name, client_id, client_secret; read when a VEN is not known yet."""

    per_ven = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._table: Mapping[str, ClientCredentials] = {}

    def of(self, ven_name: str) -> ClientCredentials:
        with self._lock:
            if ven_name not in self._table:
                self._table = _read_credentials(self._path)
        try:
            return self._table[ven_name]
        except KeyError:
            raise MissingCredentials(
                f"VTN__CREDENTIALS_FILE {self._path} has no line for VEN {ven_name!r}"
            ) from None


def _read_credentials(path: Path) -> Mapping[str, ClientCredentials]:
    table = {}
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream, skipinitialspace=True)
            for row in rows:
                if not row or row[0].startswith("#") or row[0] == "ven_name":
                    continue
                if len(row) != 3 or not all(row):
                    raise CredentialsError(
                        f"{path} line {rows.line_num}: needs ven_name, client_id, client_secret"
                    )
                table[row[0]] = ClientCredentials(client_id=row[1], client_secret=row[2])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CredentialsError(f"{path} cannot be read: {type(error).__name__}") from None
    return table
