"""How a broker is reached: what a table of SOURCES_FILE says of it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from app.mqtt.session import Login, tls_context
from app.openadr import BrokerAddress
from app.platform import LOOPBACK, TextFileError, read_text


class BrokerSettings(BaseModel):
    """A broker, who we are to it, and whom we trust. Files are read with each connection."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    """PEM, of who vouches for the broker; None: those that the machine trusts."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    """PEM, of our own certificate; both or none."""
    allow_plain: bool = False
    """Whether a broker on another machine is reached without TLS."""

    @field_validator("url")
    @classmethod
    def _a_url(cls, url: str) -> str:
        if "@" in url:
            raise ValueError("has a user or a password in it; see username and password_file")
        try:
            BrokerAddress.of(url)
        except ValueError:
            raise ValueError("must be mqtts:// and a host, and a port if it is another") from None
        return url

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.address.tls and self.address.host not in LOOPBACK and not self.allow_plain:
            raise ValueError("url: must begin with mqtts://, or allow_plain be true")
        if self.password_file is not None and self.username is None:
            raise ValueError("password_file goes with username")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file go together")
        return self

    @property
    def address(self) -> BrokerAddress:
        """Where the broker is."""
        return BrokerAddress.of(self.url)

    def secret_files(self) -> Iterator[tuple[str, Path]]:
        """The key and the path of each file that holds a secret."""
        for key in ("password_file", "key_file"):
            path = getattr(self, key)
            if path is not None:
                yield key, path

    def login(self, folder: Path) -> Login:
        """By the password as it is now; paths are relative to `folder`. TextFileError."""
        file = self.password_file
        password = None if file is None else _secret(folder / file)
        return Login(username=self.username, password=password)

    def tls(self, folder: Path) -> ssl.SSLContext | None:
        """By the certificates as they are now; None: it is plain. TextFileError, ValueError."""
        if not self.address.tls:
            return None
        certificate = self.certificate_file
        return tls_context(
            verify=True if self.ca_file is None else str(folder / self.ca_file),
            certificate=None if certificate is None else read_text(folder / certificate),
            key=None if self.key_file is None else _secret(folder / self.key_file),
        )


def _secret(path: Path) -> str:
    try:
        return read_text(path, private=True).strip()
    except TextFileError as error:
        raise TextFileError(f"{path} {error}") from None
