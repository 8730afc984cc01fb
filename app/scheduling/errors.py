"""What goes wrong with a schedule.

ScheduleError       ValueError: wrong settings, the command ends with 2
"""

from __future__ import annotations


class ScheduleError(ValueError):
    """A schedule that cannot be used; one line names the setting."""
