"""The certificate of a server, read again when its files have changed."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from app.platform.errors import CertificateError

logger = logging.getLogger(__name__)

FileState = tuple[int, int, int]
"""Inode, size and time of the last change of a file."""


def load_certificate(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Use these files. CertificateError."""
    try:
        context.load_cert_chain(certificate, key, password=b"")  # rather than ask a terminal
    except (OSError, ValueError) as error:
        raise CertificateError(str(error)) from None


class ServedCertificate:
    """Keeps a server's context up to date: connections from then on see the new certificate.

    `context` has what the files held when this was made.
    """

    def __init__(self, context: ssl.SSLContext, *, certificate: Path, key: Path) -> None:
        self._context = context
        self._certificate = certificate
        self._key = key
        self._seen = self._state()

    def look(self) -> None:
        """To be called before a handshake; costs two looks at the file system."""
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            # Tried elsewhere first: certificate and key may change one after the other.
            load_certificate(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._certificate, self._key)
            load_certificate(self._context, self._certificate, self._key)
        except CertificateError as error:
            logger.warning(
                "%s has changed, and cannot be used with %s: %s; the previous one stays in use",
                self._certificate,
                self._key,
                error,
            )
        else:
            logger.info("%s has changed, and is used from now on", self._certificate)

    def _state(self) -> tuple[FileState | None, ...]:
        return tuple(_state(path) for path in (self._certificate, self._key))


def _state(path: Path) -> FileState | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
