"""Every setting: the only reader of the environment."""

from app.settings.model import (
    EMBEDDED_301,
    Settings,
    SettingsError,
    TaskSettings,
    effective_settings,
    log_format,
)
from app.settings.sections import LOOPBACK

__all__ = [
    "EMBEDDED_301",
    "LOOPBACK",
    "Settings",
    "SettingsError",
    "TaskSettings",
    "effective_settings",
    "log_format",
]
