"""The other side: a VTN in this process, for a first run, for tests, for demonstrations."""

from app.vtn.callbacks import Callbacks, anywhere, is_public
from app.vtn.credentials import (
    EmbeddedBusinessCredentials,
    EmbeddedCredentials,
    EmbeddedVenCredentials,
)
from app.vtn.server import EmbeddedVtn, VtnStartError

__all__ = [
    "Callbacks",
    "EmbeddedBusinessCredentials",
    "EmbeddedCredentials",
    "EmbeddedVenCredentials",
    "EmbeddedVtn",
    "VtnStartError",
    "anywhere",
    "is_public",
]
