"""The other side: a VTN in this process, for a first run, for tests, for demonstrations."""

from app.vtn.credentials import EmbeddedCredentials, EmbeddedVenCredentials
from app.vtn.server import EmbeddedVtn, VtnStartError

__all__ = ["EmbeddedCredentials", "EmbeddedVenCredentials", "EmbeddedVtn", "VtnStartError"]
