"""What goes wrong, and what a caller does.

EngineError             (OperationalError) what the cluster has is not known: look again later
└── NewHeadError        the head has begun anew: who was connected to the former one does, too
ClusterError            (OperationalError) it is not begun, joined or left: the command ends with 1
└── MembershipError     this machine is not as the others are: the command ends with 2
"""

from __future__ import annotations

from app.platform import OperationalError


class EngineError(OperationalError):
    """The engine does not answer; one line says why."""


class NewHeadError(EngineError):
    """The head has begun anew, and does not tell this connection of what begins from now on."""


class ClusterError(OperationalError):
    """The cluster cannot be begun, joined or left; one line says why."""


class MembershipError(ClusterError):
    """This machine is not as the others are; one line says what has to be changed."""
