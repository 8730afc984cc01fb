"""The other side: a VTN in this process, for a first run, for tests, for demonstrations."""

from app.vtn.callbacks import Callbacks
from app.vtn.container import VtnContainer
from app.vtn.credentials import EmbeddedCredentials
from app.vtn.errors import VtnStartError
from app.vtn.server import EmbeddedVtn

__all__ = ["Callbacks", "EmbeddedCredentials", "EmbeddedVtn", "VtnContainer", "VtnStartError"]
