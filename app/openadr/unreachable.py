"""Why no answer came: what is wrong with the connection, and what helps."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

from urllib3 import HTTPConnectionPool
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
)
from urllib3.exceptions import TimeoutError as OutOfTime

from app.openadr.errors import NoAuthorities, NotConnected

PROXY_SETTINGS = "see HTTPS_PROXY, HTTP_PROXY and NO_PROXY"
PROXY_WANTS_A_PASSWORD = 407
TUNNEL_FAILED = "Tunnel connection failed: "
"""What http.client says before the proxy's status, such as '407 Proxy Authentication Required'."""
OF_TLS = {
    9: "is not valid yet: look at this machine's clock",
    10: "has expired: look at this machine's clock, or ask the VTN's operator to renew it",
    62: "is for another name: VTN__BASE_URL and VTN__TOKEN_URL have to use one of its names",
    64: "is for another address: VTN__BASE_URL and VTN__TOKEN_URL have to use one of its names",
    **dict.fromkeys(
        (18, 19, 20, 21),
        "is from an authority that is not known here: name its CA file in VTN__VERIFY_TLS",
    ),
}
"""By OpenSSL's X509_V_ERR_…: what its TLS certificate is."""
NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE")
WANTS_A_CERTIFICATE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
CERTIFICATE_REQUIRED = "TLSV13_ALERT_CERTIFICATE_REQUIRED"
"""In TLS 1.3 it comes after the handshake; the request is not looked at."""


class _Telling:
    """A connection that says of every failure to connect that it is one.

    urllib3 itself tells a handshake that failed from a connection that broke later only by text.
    """

    def connect(self: Any) -> None:
        try:
            super().connect()  # type: ignore[misc]
        except (OSError, HTTPException, HTTPError) as error:
            beyond = self.has_connected_to_proxy and not _refuses_a_tunnel(error)
            raise NotConnected(through_proxy=self.proxy is not None and not beyond) from error


def tell_when_not_connected(pool: HTTPConnectionPool) -> None:
    """From now on the connections of this pool raise NotConnected where they cannot be made."""
    made = pool.ConnectionCls
    if not issubclass(made, _Telling):
        pool.ConnectionCls = type(made.__name__, (_Telling, made), {})


def was_never_sent(error: HTTPError) -> bool:
    """Whether the VTN cannot have seen the request."""
    return any(
        isinstance(cause, NotConnected | LocationValueError)
        or (isinstance(cause, ssl.SSLError) and _tls_alert(cause) == CERTIFICATE_REQUIRED)
        for cause in causes(error)
    )


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and all that is wrapped in it, by urllib3 or by Python."""
    upcoming: list[object] = [error]
    seen: set[int] = set()
    while upcoming:
        cause = upcoming.pop()
        if isinstance(cause, BaseException) and id(cause) not in seen:
            seen.add(id(cause))
            yield cause
            upcoming += [*cause.args, cause.__cause__]
            upcoming += [getattr(cause, "reason", None), getattr(cause, "original_error", None)]


def reason(error: HTTPError) -> str:
    """What went wrong and what helps, in a few words that hold nothing from outside."""
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, NotConnected) and cause.through_proxy:
            return _of_proxy(chain, cause.status)
        if isinstance(cause, NoAuthorities):
            return (
                "the file of CA certificates is not there: see VTN__VERIFY_TLS, REQUESTS_CA_BUNDLE"
            )
        if isinstance(cause, LocationValueError | UnicodeError):
            return f"no address that can be used: look at VTN__BASE_URL; {PROXY_SETTINGS}"
    for cause in chain:
        if isinstance(cause, ssl.SSLError):
            return _of_tls(cause)
    if any(isinstance(cause, NameResolutionError | socket.gaierror) for cause in chain):
        return "its name is not found: look at VTN__BASE_URL, or at this machine's name server"
    if any(isinstance(cause, ConnectionRefusedError) for cause in chain):
        return "connection refused"
    if any(isinstance(cause, TimeoutError | OutOfTime) for cause in chain):
        return "no answer in time"
    if any(isinstance(cause, NewConnectionError) for cause in chain):
        return "no connection"
    return f"connection broken ({type(error).__name__})"


def _refuses_a_tunnel(error: BaseException) -> bool:
    return TUNNEL_FAILED in str(error)


def _of_proxy(found: list[BaseException], status: int | None) -> str:
    """What the proxy did."""
    for cause in found:
        words = str(cause).partition(TUNNEL_FAILED)[2]
        if words[:3].isdecimal():
            status = int(words[:3])
    if status == PROXY_WANTS_A_PASSWORD:
        return f"the proxy wants a name and a password (407); {PROXY_SETTINGS}"
    if status is not None:
        return f"the proxy refuses ({status}); {PROXY_SETTINGS}"
    for cause in found:
        if isinstance(cause, ssl.SSLError):
            alert = _tls_alert(cause) or "refused"
            return f"no TLS connection to the proxy ({alert}); {PROXY_SETTINGS}"
    return f"the proxy cannot be reached; {PROXY_SETTINGS}"


def _of_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        what = OF_TLS.get(error.verify_code, f"is not accepted: {error.verify_message}")
        return f"its TLS certificate {what}"
    alert = _tls_alert(error)
    if alert in NO_TLS:
        return "it speaks no TLS on that port: is VTN__BASE_URL's port right, or http:// meant?"
    if any(words in alert for words in WANTS_A_CERTIFICATE):
        return "it wants a client certificate, or no TLS that this machine speaks"
    return f"TLS failed ({alert or type(error).__name__})"


def _tls_alert(error: ssl.SSLError) -> str:
    """OpenSSL's name of it; blank: it has none."""
    return getattr(error, "reason", None) or ""
