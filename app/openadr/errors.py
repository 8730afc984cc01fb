"""What a VTN's answer, or its silence, means, and what a caller does.

VtnError                            said in its one line
├── VtnUnavailable                  nothing was done: the same again, later
│   └── VtnUnreachable              the VTN has not even seen it
│       └── VtnDown                 (FailsForAll) nobody was asked: end the fan-out
├── VtnRejected                     the same again changes nothing: leave it, or change it
├── VtnUnauthorised                 hold the VEN, and continue with the others
│   └── ClientRefused               its client id or secret is wrong: tell the operator
├── OutcomeUnknown                  a POST may have been done: look before sending it again
└── CredentialsError                (ValueError) not asked: wrong settings of all, or
    └── MissingCredentials          of one VEN; the others continue
WireError                           ValueError: leave the object out, or as it was, and say so

Below the client, inside of the transport only:
AnswerTooLarge, AnswerTooSlow       become VtnUnavailable, after a POST OutcomeUnknown
NotConnected, NoUsableAddress, NoAuthorities    become VtnUnreachable
NotJson                             ValueError: becomes VtnUnavailable, after a POST OutcomeUnknown
"""

from __future__ import annotations

from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.exceptions import TimeoutError as OutOfTime

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
    """One VEN has none; the others may continue."""


class ClientRefused(VtnUnauthorised):
    """The token endpoint does not know the client, or not with this secret."""


class NotJson(ValueError):
    """What was answered is no JSON."""


class WireError(ValueError):
    """An object that cannot be used; the message names it."""


class AnswerTooLarge(HTTPError):
    """More than anybody can mean."""


class AnswerTooSlow(OutOfTime):
    """It came in drops, and did not end."""


class NotConnected(HTTPError):
    """No connection was made, or a proxy made none: the VTN has not seen the request."""

    def __init__(self, *, through_proxy: bool, status: int | None = None) -> None:
        super().__init__("no connection")
        self.through_proxy = through_proxy
        self.status = status
        """What the proxy answered."""


class NoUsableAddress(LocationValueError):
    """What is asked, or the proxy before it, has no address that can be used; or a header is one
    that cannot be sent. Nothing was."""


class NoAuthorities(LocationValueError):
    """The file of authorities (CA) is not there; nothing was sent."""
