"""What goes wrong with orders, and what a caller does.

DatabaseError       of the platform: nothing was issued; what was issued before holds
ValueError          what is wrong is the caller's; one line that says where
└── ActuatorsError      SOURCES_FILE: wrong settings, the command ends with 2
"""

from __future__ import annotations


class ActuatorsError(ValueError):
    """The actuators of the file of sources cannot be used; one line says what and where."""
