"""What goes wrong in the embedded VTN, and what a caller does.

Refused             answered with its status and its words (RFC 9457)
Conflict            of the store: answered with 409
Gone                of the store: answered with 404
ScopeRefused        the token endpoint answers invalid_scope
CallbackFailed      a webhook: tried again, or its subscription is refused
VtnStartError       the command ends with 1 and this line
"""

from __future__ import annotations


class Refused(Exception):
    """A request that is answered with this status and these words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


class Conflict(Exception):
    """A name or a reference that the store cannot take; the message says which."""


class Gone(Exception):
    """What was to be changed is not there any more."""


class ScopeRefused(Exception):
    """A scope was asked for that this client does not have."""


class CallbackFailed(Exception):
    """A callback that cannot be reached, or does not answer with success; one line."""


class VtnStartError(RuntimeError):
    """The embedded VTN cannot start; one line says why."""
