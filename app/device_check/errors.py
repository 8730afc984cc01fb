"""What goes wrong with a check itself, and what a caller does.

Exception
└── LinkError       no way to the device: the check ends, one line says why
"""

from __future__ import annotations


class LinkError(Exception):
    """The broker cannot be reached, or does not take an order; one line says which."""
