"""Every setting: the only reader of the environment."""

from app.settings.effective import effective_settings
from app.settings.errors import SettingsError
from app.settings.model import Settings, log_format
from app.settings.vtn import EMBEDDED_301

__all__ = [
    "EMBEDDED_301",
    "Settings",
    "SettingsError",
    "effective_settings",
    "log_format",
]
