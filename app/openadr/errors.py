"""What a VTN's answer, or its silence, means for the caller."""

from __future__ import annotations

from app.platform import FailsForAll


class VtnError(Exception):
    """A request to the VTN did not succeed. The message is one line, fit for a log."""

    answered = False
    """Whether the VTN answered, with a status below 500 and as a VTN does: it works."""


class VtnUnavailable(VtnError):
    """The request had no effect and may be repeated later: no connection, 5xx, 429, or no JSON."""

    def __init__(
        self, message: str, *, status: int | None = None, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status, if there was an answer."""
        self.retry_after_s = retry_after_s
        """How long the VTN asks to be left alone (RFC 9110, 10.2.3), in seconds."""
        self.answered = status in (408, 429)


class VtnUnreachable(VtnUnavailable):
    """No connection could be made: the VTN has not seen the request."""


class VtnDown(VtnUnreachable, FailsForAll):
    """The VTN counts as down, so that it was not asked: nobody else needs to try now."""


class VtnRejected(VtnError):
    """The VTN understood and refused; repeating the same request changes nothing."""

    answered = True

    def __init__(
        self, message: str, *, status: int, body_bytes: int = 0, has_problem: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        """The HTTP status."""
        self.has_problem = has_problem
        """Whether the VTN said why (RFC 9457): then it is its own answer, and not a proxy's."""
        self.body_bytes = body_bytes
        """The size of the body that was refused."""


class VtnUnauthorised(VtnError):
    """401 or 403, or no token: a matter of credentials, not of the request's content."""

    answered = True

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class OutcomeUnknown(VtnError):
    """A POST may or may not have been done: look before sending it again."""


class CredentialsError(VtnError, ValueError):
    """Credentials that cannot be used as configured."""


class MissingCredentials(CredentialsError):
    """One VEN has none; the others may go on."""
