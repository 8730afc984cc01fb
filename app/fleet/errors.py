"""What goes wrong with a fleet.

FleetFileError      ValueError: nothing is imported; the command says the line and ends with 2
"""

from __future__ import annotations


class FleetFileError(ValueError):
    """A fleet file that cannot be read; the message names file and line."""
