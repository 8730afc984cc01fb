"""What goes wrong with what the simulator reads.

ProfileError        the installation is broken: the command ends with 1 and this line
"""

from __future__ import annotations


class ProfileError(RuntimeError):
    """A profile file that cannot be used; the message names it."""
