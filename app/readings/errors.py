"""What goes wrong with the log of readings, and what a caller does.

StoreFull           (OperationalError) nothing is stored: metering stops until there is room
DatabaseError       of the platform: it may be stored all the same; the next tick finds out
"""

from __future__ import annotations

from app.platform import OperationalError


class StoreFull(OperationalError):
    """No frame may be stored now; one line says why."""
