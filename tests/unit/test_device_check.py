"""Whether a device that breaks one sentence of the device contract is told which one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.actuation import Outcome, OutcomeStatus
from app.device_check import Checks
from tests.support.device import ContractDevice, refuses
from tests.support.fakes import FakeClock

VALID_FOR_S = 16.0


class Link:
    """A broker, a device and time, in a test's hands."""

    def __init__(self, device: ContractDevice, clock: FakeClock, *, can_be_cut: bool) -> None:
        self.can_be_cut = can_be_cut
        self.device = device
        self.monotonic: Callable[[], float] = clock.monotonic
        self._clock = clock
        self._is_cut = False
        self._retained: tuple[bytes, float] | None = None
        self._answers: list[dict[str, Any]] = []

    def send(self, body: bytes, *, kept_s: float) -> None:
        self._answers = []
        self._retained = body, self.monotonic() + kept_s
        if not self._is_cut:
            self._deliver(body)

    def outcome(self, seq: int, *, within_s: float) -> Outcome | None:
        for answer in self._answers:
            if answer["seq"] == seq:
                return Outcome(seq=seq, status=OutcomeStatus(answer["status"]))
        self.wait(within_s)
        return None

    def cut(self) -> None:
        self._is_cut = True

    def mend(self) -> None:
        self._is_cut = isinstance(self.device, DoesNotConnectAgain)
        if self._retained is not None and self.monotonic() < self._retained[1]:
            self._deliver(self._retained[0])

    def is_back(self, *, within_s: float) -> bool:
        self.wait(within_s if self._is_cut else 1.0)
        return not self._is_cut

    def wait(self, seconds: float) -> None:
        self._clock.advance(seconds=seconds)

    def _deliver(self, body: bytes) -> None:
        if not self._is_cut:
            answer = self.device.take(body)
            self._answers += [] if answer is None else [answer]


class Refuses(ContractDevice):
    def __init__(self, **how: Any) -> None:
        super().__init__(answers=refuses, **how)


class AnswersOnce(ContractDevice):
    last: int = 0

    def take(self, body: bytes) -> dict[str, Any] | None:
        answer = super().take(body)
        before, self.last = self.last, answer["seq"] if answer else self.last
        return answer if self.last != before else None


class TakesTheOldest(ContractDevice):
    def take(self, body: bytes) -> dict[str, Any] | None:
        order = self.read(body)
        if order is not None and self.held is not None and order["run"] == self.held["run"]:
            self.memory.take(order, holds=not order["release"])
            return {"seq": order["seq"], "status": "ACCEPTED"}
        return super().take(body)


class TakesEveryRun(ContractDevice):
    def take(self, body: bytes) -> dict[str, Any] | None:
        order = self.read(body)
        if order is not None and self.held is not None and order["run"] != self.held["run"]:
            self.memory.take(order, holds=True)
            return {"seq": order["seq"], "status": "ACCEPTED"}
        return super().take(body)


class EndsAtWhatIsNoOrder(ContractDevice):
    is_over = False

    def read(self, body: bytes) -> dict[str, Any] | None:
        order = super().read(body)
        self.is_over = self.is_over or order is None
        return None if self.is_over else order


class BelievesTheTime(ContractDevice):
    """Counts until `until`, by a clock on the wall."""

    def read(self, body: bytes) -> dict[str, Any] | None:
        order = super().read(body)
        if order is not None and order["until"].startswith("2001"):
            order["valid_s"] = 0.0
        return order


class CountsFromTheFirst(ContractDevice):
    """What is written again does not start its count anew."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._since_s: dict[tuple[str, int], float] = {}

    def read(self, body: bytes) -> dict[str, Any] | None:
        order = super().read(body)
        if order is not None:
            now_s = self.memory.monotonic()
            since_s = self._since_s.setdefault((order["run"], order["seq"]), now_s)
            order["valid_s"] = max(order["valid_s"] - (now_s - since_s), 0.0)
        return order


class NeverEnds(ContractDevice):
    def read(self, body: bytes) -> dict[str, Any] | None:
        order = super().read(body)
        if order is not None:
            order["valid_s"] = 1e9
        return order


class DoesNotAnswerReleases(ContractDevice):
    def take(self, body: bytes) -> dict[str, Any] | None:
        order, answer = self.read(body), super().take(body)
        return None if order is not None and order["release"] else answer


class GoesOnAfterARelease(ContractDevice):
    def take(self, body: bytes) -> dict[str, Any] | None:
        order = self.read(body)
        if order is not None and order["release"] and self.memory.may_take(order):
            return {"seq": order["seq"], "status": "ACCEPTED"}
        return super().take(body)


class ForgetsAtOnce(ContractDevice):
    def __init__(self, **how: Any) -> None:
        super().__init__(**{**how, "valid_for_s": 0.0})


class NeverForgets(ContractDevice):
    def __init__(self, **how: Any) -> None:
        super().__init__(**{**how, "valid_for_s": 1e9})


class HoldsAsSetUp(ContractDevice):
    """For `valid_for`, whatever an order says."""

    def read(self, body: bytes) -> dict[str, Any] | None:
        order = super().read(body)
        if order is not None:
            order["valid_s"] = VALID_FOR_S
        return order


class ObeysAnyRelease(ContractDevice):
    def take(self, body: bytes) -> dict[str, Any] | None:
        order = self.read(body)
        if order is not None and order["release"] and self.held is not None:
            self.memory.take({**order, "run": self.held["run"]}, holds=False)
        return super().take(body)


class ObeysAnyReleaseSilently(ObeysAnyRelease):
    def take(self, body: bytes) -> dict[str, Any] | None:
        order, held = self.read(body), self.held
        answer = super().take(body)
        is_foreign = order is not None and held is not None and order["run"] != held["run"]
        return None if is_foreign else answer


class AnswersAnyRelease(ContractDevice):
    def take(self, body: bytes) -> dict[str, Any] | None:
        order, answer = self.read(body), super().take(body)
        if order is not None and order["release"]:
            return {"seq": order["seq"], "status": "ACCEPTED"}
        return answer


class ForgetsWhatRanOut(ContractDevice):
    def take(self, body: bytes) -> dict[str, Any] | None:
        order = self.read(body)
        if order is not None and self.held is None and not self.memory.is_released:
            self.memory.forget()
        return super().take(body)


class RefusesRepetitions(ContractDevice):
    last: int = 0

    def take(self, body: bytes) -> dict[str, Any] | None:
        answer = super().take(body)
        if answer is not None and answer["seq"] == self.last:
            return {**answer, "status": "REFUSED"}
        self.last = answer["seq"] if answer else self.last
        return answer


class DoesNotConnectAgain(ContractDevice):
    pass


def failed(device: type[ContractDevice], *, can_be_cut: bool = True) -> list[str]:
    """The sentences that do not hold of a device."""
    clock = FakeClock()
    made = device(valid_for_s=VALID_FOR_S, monotonic=clock.monotonic)
    checks = Checks(
        Link(made, clock, can_be_cut=can_be_cut),
        valid_for_s=VALID_FOR_S,
        patience_s=2.0,
        setpoint_kw=0.0,
        clock=clock,
    )
    return [finding.sentence for finding in checks.run() if not finding.holds]


@pytest.mark.parametrize("can_be_cut", [True, False])
def test_one_that_keeps_the_contract_passes(can_be_cut: bool) -> None:
    assert failed(ContractDevice, can_be_cut=can_be_cut) == []


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        (Refuses, "it answers an order, and accepts it"),
        (AnswersOnce, "the same order again is answered again"),
        (TakesTheOldest, "an order of the same run with a lower seq is ignored"),
        (TakesEveryRun, "an order of another run is ignored while one is held"),
        (EndsAtWhatIsNoOrder, "what is no order changes nothing"),
        (
            BelievesTheTime,
            "it counts valid_s by its own clock: what it is told of the time is for people",
        ),
        (CountsFromTheFirst, "the same order again starts its count anew"),
        (NeverEnds, "after valid_s it is its own again"),
        (DoesNotAnswerReleases, "it acknowledges a release"),
        (GoesOnAfterARelease, "after a release it is its own again"),
        (ForgetsAtOnce, "an order that comes late brings nothing back"),
        (
            NeverForgets,
            "twice valid_for after its last order has ended, it knows nothing of it",
        ),
        (HoldsAsSetUp, "also where valid_s is less than valid_for"),
        (ObeysAnyRelease, "a release of another run is ignored"),
        (ObeysAnyRelease, "a release with a lower seq is ignored"),
        (ObeysAnyReleaseSilently, "a release of another run is ignored"),
        (AnswersAnyRelease, "a release of another run is ignored"),
        (AnswersAnyRelease, "a release with a lower seq is ignored"),
        (ForgetsWhatRanOut, "nor does one that comes after the last one has run out"),
        (RefusesRepetitions, "the same order again is answered again"),
        (DoesNotConnectAgain, "it connects again after a cut"),
        (NeverEnds, "without a broker its order ends all the same"),
    ],
)
def test_one_that_breaks_a_sentence_is_told_so(device: type[ContractDevice], sentence: str) -> None:
    assert sentence in failed(device)


@pytest.mark.parametrize(
    "device",
    [Refuses, BelievesTheTime, HoldsAsSetUp, NeverForgets],
)
def test_and_of_nothing_else(device: type[ContractDevice]) -> None:
    assert len(failed(device, can_be_cut=False)) == 1
