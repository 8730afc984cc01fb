"""What goes wrong with settings.

SettingsError       ValueError: the command says the line, and ends with 2
"""

from __future__ import annotations


class SettingsError(ValueError):
    """A setting that cannot be used: one line that names it, never its value."""
