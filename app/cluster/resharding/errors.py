"""What goes wrong, and what a caller does.

ReshardError            (OperationalError) the stores stay as they are: the command ends with 1
"""

from __future__ import annotations

from app.platform import OperationalError


class ReshardError(OperationalError):
    """The stores stay as they are; one line says why."""
