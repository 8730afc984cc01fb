"""How often the VTN is asked how it tells of changes, and what its errors stop."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from app.fleet import VEN, Status
from app.openadr import Circuit, Notifiers, VtnError, VtnRejected, VtnUnauthorised, VtnUnavailable
from app.openadr.errors import MissingCredentials
from app.platform import LogOnce
from app.push import Subscriber
from app.push.service import ASKS_AGAIN_S, SOON_S
from app.vens import PushTrust
from tests.support.fakes import FakeClock, held_vens

WEBHOOKS = Notifiers(webhook=True)
NAMES = ("Aalborg", "Aarhus")


class Vtn:
    """Answers GET /notifiers, to each VEN with its notifiers or its error."""

    def __init__(self) -> None:
        self.answers: dict[str, Notifiers | VtnError] = dict.fromkeys(NAMES, WEBHOOKS)
        self.asked: list[str] = []

    def client_for(self, ven_name: str) -> Client:
        if isinstance(self.answers[ven_name], MissingCredentials):
            raise MissingCredentials(f"VEN {ven_name} has no credentials")
        return Client(self, ven_name)


class Client:
    def __init__(self, vtn: Vtn, ven_name: str) -> None:
        self._vtn = vtn
        self._ven_name = ven_name

    def notifiers(self) -> Notifiers:
        self._vtn.asked.append(self._ven_name)
        answer = self._vtn.answers[self._ven_name]
        if isinstance(answer, VtnError):
            raise answer
        return answer


class Channel:
    """Keeps what it is to serve. `error`: what it meets."""

    def __init__(self) -> None:
        self.served: list[Notifiers] = []
        self.error: VtnError | None = None

    def serve(self, vens: Sequence[VEN], notifiers: Notifiers) -> None:
        assert [ven.ven_name for ven in vens] == list(NAMES)
        self.served.append(notifiers)
        if self.error is not None:
            raise self.error

    def close(self, timeout_s: float) -> None:
        """Nothing is open."""


class Fleet:
    """Two enrolled VENs."""

    vens = tuple(VEN(ven_name=name, vtn_ven_id=name, status=Status.APPROVED) for name in NAMES)


@pytest.fixture
def vtn() -> Vtn:
    return Vtn()


@pytest.fixture
def channels() -> list[Channel]:
    return [Channel(), Channel()]


@pytest.fixture
def look(vtn: Vtn, channels: list[Channel], clock: FakeClock) -> Subscriber:
    return Subscriber(
        ven_manager=Fleet(),
        client_for=vtn.client_for,
        channels=channels,
        trust=PushTrust(monotonic=clock.monotonic, safety_s=300.0, log_once=LogOnce()),
        held=held_vens(Circuit(monotonic=clock.monotonic), clock),
        monotonic=clock.monotonic,
    )


def test_what_the_vtn_offers_is_asked_for_now_and_then(
    look: Subscriber, vtn: Vtn, channels: list[Channel], clock: FakeClock
) -> None:
    for _ in range(3):
        look()
    clock.advance(seconds=ASKS_AGAIN_S)
    look()

    assert len(vtn.asked) == 2
    assert channels[0].served == [WEBHOOKS] * 4


@pytest.mark.parametrize(
    "error",
    [VtnUnavailable("GET /notifiers: 500", status=500), VtnRejected("404, no JSON", status=404)],
    ids=["500", "a page that is not JSON"],
)
def test_a_vtn_that_answers_badly_is_not_asked_again_and_again(
    look: Subscriber, vtn: Vtn, channels: list[Channel], clock: FakeClock, error: VtnError
) -> None:
    vtn.answers = dict.fromkeys(NAMES, error)

    for _ in range(100):
        look()
        clock.advance(seconds=(ASKS_AGAIN_S - 1) / 100)

    assert len(vtn.asked) == 1
    assert len(channels[0].served) == 99, "what needs no notifiers goes on (3.0.1)"


@pytest.mark.parametrize(
    "error", [VtnUnauthorised("401", status=401), MissingCredentials("none")], ids=["401", "none"]
)
def test_where_one_ven_may_not_ask_another_does(
    look: Subscriber, vtn: Vtn, channels: list[Channel], clock: FakeClock, error: VtnError
) -> None:
    vtn.answers["Aalborg"] = error

    look()
    clock.advance(seconds=SOON_S if isinstance(error, VtnUnauthorised) else ASKS_AGAIN_S)
    look()

    assert vtn.asked[-1] == "Aarhus"
    assert channels[0].served[-1] == WEBHOOKS


def test_one_channels_error_does_not_stop_the_other(
    look: Subscriber, channels: list[Channel], clock: FakeClock
) -> None:
    channels[0].error = VtnUnavailable("500", status=500)

    for _ in range(3):
        look()

    assert [len(channel.served) for channel in channels] == [1, 3]
    clock.advance(seconds=ASKS_AGAIN_S)
    look()
    assert [len(channel.served) for channel in channels] == [2, 4]
