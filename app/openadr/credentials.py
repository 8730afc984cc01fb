"""Which OAuth2 client each VEN is (openadr.md, 'Roles, credentials, enrolment')."""

from __future__ import annotations

import csv
import io
import re
import threading
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from app.openadr.errors import CredentialsError, MissingCredentials
from app.platform import TextFileError, read_text

VEN_NAME_FIELD = "{ven_name}"
_LETTERS = str.maketrans({"æ": "ae", "ø": "oe", "å": "aa", "Æ": "Ae", "Ø": "Oe", "Å": "Aa"})


def slug(ven_name: str) -> str:
    """A VEN's name as a client id may be spelled (openadr.md, 'Roles, credentials, enrolment')."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", ven_name.translate(_LETTERS))[:128]


def normalized_name(name: str) -> str:
    """The form in which names are compared: with letters composed (Unicode NFC)."""
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True, kw_only=True)
class ClientCredentials:
    """OAuth2 client credentials."""

    client_id: str
    client_secret: str = field(repr=False)


@runtime_checkable
class GivesCredentials(Protocol):
    """What knows the client credentials of VENs."""

    def of(self, ven_name: str) -> ClientCredentials:
        """The VEN's credentials. Raises CredentialsError."""


class CredentialSource(GivesCredentials, Protocol):
    """Where the client credentials of each VEN come from."""

    @property
    def per_ven(self) -> bool:
        """Whether each VEN is a client of its own."""

    def read_again(self) -> None:
        """The token endpoint refuses them: they may have changed. Raises CredentialsError."""


class CredentialsTemplate:
    """`{ven_name}` replaced, literally and by the name's slug: secrets contain braces.

    `secret_now`: what the secret is by now, where that can change; ValueError, in one line without
    the secret: what is there cannot be used.
    """

    def __init__(
        self, client_id: str, client_secret: str, *, secret_now: Callable[[], str | None]
    ) -> None:
        self._client_id = client_id
        self._client_secret = client_secret
        self._secret_now = secret_now

    @property
    def per_ven(self) -> bool:
        return VEN_NAME_FIELD in self._client_id

    def of(self, ven_name: str) -> ClientCredentials:
        name = slug(ven_name)
        return ClientCredentials(
            client_id=self._client_id.replace(VEN_NAME_FIELD, name),
            client_secret=self._client_secret.replace(VEN_NAME_FIELD, name),
        )

    def read_again(self) -> None:
        try:
            self._client_secret = self._secret_now() or self._client_secret
        except ValueError as error:
            raise CredentialsError(str(error)) from None


class CredentialsFile:
    """Lines of ven_name, client_id, client_secret; read when a VEN is not known yet."""

    per_ven = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._table: Mapping[str, ClientCredentials] = {}

    def of(self, ven_name: str) -> ClientCredentials:
        with self._lock:
            if normalized_name(ven_name) not in self._table:
                self._table = _read_credentials(self._path)
        try:
            return self._table[normalized_name(ven_name)]
        except KeyError:
            raise MissingCredentials(
                f"VTN__CREDENTIALS_FILE {self._path} has no line for VEN {ven_name!r}"
            ) from None

    def read_again(self) -> None:
        with self._lock:
            self._table = _read_credentials(self._path)


def _read_credentials(path: Path) -> Mapping[str, ClientCredentials]:
    table = {}
    try:
        rows = csv.reader(io.StringIO(read_text(path, private=True)), skipinitialspace=True)
        for row in rows:
            if not any(row) or row[0].startswith("#") or row[0] == "ven_name":
                continue
            if len(row) != 3 or not all(row):
                raise CredentialsError(
                    f"{path} line {rows.line_num}: needs ven_name, client_id, client_secret"
                )
            table[normalized_name(row[0])] = ClientCredentials(
                client_id=row[1], client_secret=row[2]
            )
    except TextFileError as error:
        raise CredentialsError(f"{path} {error}") from None
    except csv.Error:
        raise CredentialsError(f"{path} line {rows.line_num}: is not CSV") from None
    return table
