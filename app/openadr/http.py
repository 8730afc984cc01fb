"""HTTP towards one VTN: bounded repetition, and what each outcome means."""

from __future__ import annotations

import gzip
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode, urlsplit

import orjson
from urllib3.exceptions import (
    DecodeError,
    HTTPError,
    TimeoutError,
)

from app.openadr.answer import MAX_BYTES, Answer, is_problem, problem_text, retry_after_s
from app.openadr.circuit import Circuit
from app.openadr.errors import (
    AnswerTooLarge,
    NotJson,
    OutcomeUnknown,
    VtnDown,
    VtnError,
    VtnRejected,
    VtnUnauthorised,
    VtnUnavailable,
    VtnUnreachable,
)
from app.openadr.request_stats import BROKEN, UNREACHABLE, RequestStats
from app.openadr.unreachable import causes, reason, was_never_sent
from app.openadr.vtn_clock import VtnClock
from app.platform import NO_FENCE, Fence, Shutdown

logger = logging.getLogger(__name__)
T = TypeVar("T")

ATTEMPTS = 3
BACKOFF_S = 0.5
MAX_WAIT_S = 2.0
"""Of one attempt for the next one. Who is asked to wait longer, waits without a connection."""
QUICK_S = 2.0
"""Of an answer whose Date tells the VTN's time; one with an Age is a cache's."""
WORTH_COMPRESSING = 1 << 10
"""Bytes of a body."""
FASTEST_COMPRESSION = 1
NO_CONTENT = 204
NOT_READ = (400, 415, 422)
"""What a VTN answers to a body that it cannot read."""


@dataclass(frozen=True, kw_only=True)
class BrokerToken:
    """What a VEN shows to the VTN's MQTT broker."""

    client_id: str | None
    """None where it is not known."""
    token: str = field(repr=False)
    renew_at_s: float = float("inf")
    """By the monotonic clock: when it has to be another one."""


class VenAuth:
    """Signs the requests of a VEN."""

    def authorization(self) -> str | None:
        """The Authorization header; None for a public VTN. May wait for a token."""
        return None

    def broker_token(self) -> BrokerToken | None:
        """The token of these credentials, for another protocol than HTTP; None: there is none."""
        return None

    def refused(self, authorization: str | None) -> bool:  # noqa: ARG002 - nothing to renew here
        """The VTN answered 401 to this Authorization header; True if trying again may help."""
        return False


class NoCredentials(VenAuth):
    """For a public VTN."""


class SendsRequests(Protocol):
    """One request and its answer."""

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer: ...

    def close(self) -> None: ...


class VtnHttp:
    """Requests to one VTN; knows no OpenADR object.

    Repeated here, bounded and with back-off: GET, PUT and DELETE, but for time-outs; for every
    method a connection that was never made, and 429 with a short Retry-After. A POST whose outcome
    was not seen raises `OutcomeUnknown`. While `circuit` is open, requests raise VtnDown and are
    not made; while `writes` is open, those that write. `compresses`: larger bodies go as gzip
    (RFC 9110, 8.4), as long as the VTN takes that.
    What writes waits for `fence`. All waits end when `shutdown` is set.
    """

    def __init__(
        self,
        *,
        transport: SendsRequests,
        base_url: str,
        shutdown: Shutdown,
        circuit: Circuit,
        writes: Circuit,
        vtn_clock: VtnClock,
        fence: Fence = NO_FENCE,
        compresses: bool = False,
        backoff_s: float = BACKOFF_S,
    ) -> None:
        self.base_url = base_url
        self._transport = transport
        self._shutdown = shutdown
        self.circuit = circuit
        self.writes = writes
        self._vtn_clock = vtn_clock
        self._fence = fence
        self._compresses = compresses
        self._took_gzip = False
        self._backoff_s = backoff_s
        self.latency_s: float | None = None
        """Of the last request that was answered."""
        self.request_stats = RequestStats()

    def get(self, path: str, *, auth: VenAuth, params: Mapping[str, Any] | None = None) -> Any:
        """None: there is no content."""
        return self._guarded("GET", path, auth=auth, params=params, look=_content)

    def get_as(
        self, path: str, *, auth: VenAuth, params: Mapping[str, Any], look: Callable[[Answer], T]
    ) -> T:
        """What `look` makes of the answer, also of one without content. It may raise NotJson."""
        read: T = self._guarded("GET", path, auth=auth, params=params, look=look)
        return read

    def get_for_token(self, path: str) -> Any:
        """Without credentials, while another request waits for them: the circuit has let it in."""
        return self._request("GET", path, auth=NoCredentials(), look=_content)

    def post(self, path: str, *, auth: VenAuth, body: Any) -> Any:
        """`body`: JSON as bytes, or an object to be written as JSON."""
        return self._guarded("POST", path, auth=auth, body=body)

    def post_for_id(self, path: str, *, auth: VenAuth, body: bytes) -> object:
        """`post`, of whose answer only the id is looked at; None where it has none."""
        return self._guarded("POST", path, auth=auth, body=body, look=Answer.object_id)

    def put(self, path: str, *, auth: VenAuth, body: Any) -> Any:
        return self._guarded("PUT", path, auth=auth, body=body, look=_content)

    def delete(self, path: str, *, auth: VenAuth) -> Any:
        return self._guarded("DELETE", path, auth=auth)

    @property
    def is_stopping(self) -> bool:
        """Whether what is long should end."""
        return self._shutdown.is_set()

    def post_form(self, url: str, *, form: str) -> Answer:
        """A token request, which may be repeated; the answer is the caller's to read."""
        return self._send(
            "POST",
            url,
            repeatable=True,
            circuits=(),  # tokens may come from elsewhere than the VTN
            auth=NoCredentials(),
            body=form.encode(),
            content_type="application/x-www-form-urlencoded",
        )

    def close(self) -> None:
        self._transport.close()

    def _guarded(self, method: str, path: str, **request: Any) -> Any:
        """The answer, if the circuits let the request through."""
        if self._shutdown.failed:
            raise VtnDown("the VTN is no longer asked, since this run stops")
        if not all(circuit.allow_request() for circuit in self._circuits(method)):
            raise VtnDown(f"the VTN at {self.base_url} is down and is not asked for now")
        return self._request(method, path, **request)

    def _stop_compressing(self) -> None:
        if self._compresses:
            self._compresses = False
            logger.warning("the VTN does not take gzip: reports go uncompressed from now on")

    def _circuits(self, method: str) -> Sequence[Circuit]:
        """A VTN that is read well may still be down for all that is written."""
        return (self.circuit,) if method == "GET" else (self.circuit, self.writes)

    def _request(
        self,
        method: str,
        path: str,
        *,
        auth: VenAuth,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        look: Callable[[Answer], Any] = Answer.json,
    ) -> Any:
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        url = self.base_url + path
        if params:
            url = f"{url}?{urlencode(params, doseq=True)}"

        def ask(sent: bytes | None, encoding: str | None = None) -> Answer:
            for _ in range(2):
                answer = self._send(
                    method,
                    url,
                    repeatable=method != "POST",
                    circuits=self._circuits(method),
                    auth=auth,
                    body=sent,
                    encoding=encoding,
                )
                if answer.status != 401 or not auth.refused(answer.authorization):
                    break
            return answer

        if self._compresses and data is not None and len(data) >= WORTH_COMPRESSING:
            answer = ask(gzip.compress(data, FASTEST_COMPRESSION), "gzip")
            self._took_gzip = self._took_gzip or answer.status < 300
            if answer.status in NOT_READ:  # of the coding, or of what is in it
                answer = ask(data)
                if answer.status < 300:
                    self._stop_compressing()
            elif answer.status >= 500 and not self._took_gzip:
                self._stop_compressing()  # what it did is looked for; then it goes as it is
        else:
            answer = ask(data)
        try:
            read = self._read(method, path, answer, 0 if data is None else len(data), look)
        except VtnError as error:
            if error.answered:
                _answered(self._circuits(method))
            raise
        _answered(self._circuits(method))
        return read

    def _send(
        self,
        method: str,
        url: str,
        *,
        repeatable: bool,
        circuits: Sequence[Circuit],
        auth: VenAuth,
        body: bytes | None,
        content_type: str = "application/json",
        encoding: str | None = None,
    ) -> Answer:
        # A VTN that counts as down is tried once, not with patience.
        attempts = 1 if self.circuit.is_open or self.writes.is_open else ATTEMPTS
        for attempt in range(1, attempts + 1):
            authorization = auth.authorization()
            headers = {} if body is None else {"Content-Type": content_type}
            if encoding is not None:
                headers["Content-Encoding"] = encoding
            if authorization is not None:
                headers["Authorization"] = authorization
            if circuits and method != "GET":
                self._fence.wait()
            asked_s = 0.0
            began_s = time.perf_counter()
            try:
                answer = self._transport.send(method, url, headers=headers, body=body)
            except HTTPError as error:
                failure = self._failure(method, url, error, repeatable=repeatable)
                if isinstance(failure, VtnUnreachable):
                    self.request_stats.failed(method, UNREACHABLE)
                    for circuit in circuits:
                        circuit.not_connected()
                else:
                    self.request_stats.failed(method, BROKEN)
                    _connected(circuits)
                    if not repeatable or _is_one(error, TimeoutError):
                        raise failure from None
            else:
                took_s = self.latency_s = time.perf_counter() - began_s
                self.request_stats.answered(method, answer.status, took_s)
                _connected(circuits)
                if circuits and took_s < QUICK_S and answer.headers.get("Age") is None:
                    self._vtn_clock.heard(answer.headers.get("Date"))
                if answer.status != 429 and not (answer.status >= 500 and repeatable):
                    return answer
                if answer.status == 429:
                    _answered(circuits)
                asked_s = retry_after_s(answer) or 0.0
                failure = VtnUnavailable(
                    f"{_where(method, url)}: the VTN answers {answer.status}"
                    f"{', too many requests' if answer.status == 429 else ''}",
                    status=answer.status,
                    retry_after_s=asked_s,
                )
            wait_s = self._backoff_s * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
            wait_s = max(wait_s, asked_s)
            last = attempt == attempts or wait_s > MAX_WAIT_S
            if last or self._shutdown.is_set() or self._shutdown.wait(wait_s):
                raise failure
        raise AssertionError("the last attempt returns or raises")

    def _failure(
        self, method: str, url: str, error: HTTPError, *, repeatable: bool
    ) -> VtnUnavailable | OutcomeUnknown:
        """What it means that no answer came."""
        where, why = _where(method, url), _reason(error)
        who = f"the VTN at {self.base_url}"
        if not url.startswith(self.base_url):
            who = f"the token endpoint at {urlsplit(url).netloc.rpartition('@')[2]}"
        if was_never_sent(error):
            return VtnUnreachable(f"{where}: {who} cannot be reached: {why}")
        if not repeatable:
            return OutcomeUnknown(f"{where}: sent, but {why}")
        return VtnUnavailable(f"{where}: {who} does not answer: {why}")

    def _read(
        self,
        method: str,
        path: str,
        answer: Answer,
        body_bytes: int,
        look: Callable[[Answer], Any],
    ) -> Any:
        status = answer.status
        where = f"{method} {path.split('?')[0]}"
        if status in (401, 403):
            raise VtnUnauthorised(f"{where}: {status}{problem_text(answer)}", status=status)
        if 200 <= status < 300:
            if method == "DELETE":
                return None  # what was removed is of no interest, and some VTNs answer nothing
            try:
                return look(answer)
            except NotJson:
                message = f"{where}: the VTN answers {status} without JSON ({answer.content_type})"
                if method == "POST":
                    raise OutcomeUnknown(message) from None
                raise VtnUnavailable(f"{message}; is VTN__BASE_URL right?") from None
        if status >= 500:
            raise OutcomeUnknown(f"{where}: the VTN answers {status}{problem_text(answer)}")
        if 300 <= status < 400:
            raise VtnUnavailable(
                f"{where}: the VTN redirects, which is not followed; correct VTN__BASE_URL"
            )
        if "html" in answer.content_type and status != 413:
            raise VtnUnavailable(
                f"{where}: {status} with an HTML page; is VTN__BASE_URL right?", status=status
            )
        if status == 408:
            raise VtnUnavailable(f"{where}: {status}{problem_text(answer)}", status=status)
        raise VtnRejected(
            f"{where}: {status}{problem_text(answer)}",
            status=status,
            body_bytes=body_bytes,
            has_problem=is_problem(answer),
        )


def _content(answer: Answer) -> Any:
    """None: there is none. NotJson."""
    return None if answer.status == NO_CONTENT else answer.json()


def _answered(circuits: Sequence[Circuit]) -> None:
    for circuit in circuits:
        circuit.answered()


def _connected(circuits: Sequence[Circuit]) -> None:
    for circuit in circuits:
        circuit.connected()


def _where(method: str, url: str) -> str:
    return f"{method} {urlsplit(url).path}"


def _is_one(error: HTTPError, kind: type[BaseException]) -> bool:
    return any(isinstance(cause, kind) for cause in causes(error))


def _reason(error: HTTPError) -> str:
    if isinstance(error, DecodeError | AnswerTooLarge):
        return f"the answer cannot be unpacked, or is larger than {MAX_BYTES >> 20} MiB"
    return reason(error)
