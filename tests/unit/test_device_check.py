"""Whether a device that breaks one sentence of the device contract is told which one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.actuation import Outcome, OutcomeStatus
from app.device_check import Checks, Observed, connection_findings
from app.device_check.packets import Connect, Packet, PacketReader, Publish, Subscribe
from tests.support.device import ContractDevice, refuses
from tests.support.fakes import FakeClock

VALID_FOR_S = 16.0
TOPIC = "ven-fleet/Home/pump"


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


GOOD = Connect(protocol=5, is_clean=True, keep_alive_s=2, session_expiry_s=0)
SUBSCRIBED = Subscribe(filters=((f"{TOPIC}/desired", 1),))
ACCEPTED = Publish(topic=f"{TOPIC}/outcome", body=b"{}", qos=1, is_retained=False)


class TestItsConnection:
    def failed(self, *packets: Packet, every_s: float = 1.0) -> list[str]:
        seen = Observed(topic=TOPIC)
        for place, packet in enumerate(packets):
            seen.see(packet, place * every_s)
        findings = connection_findings(seen, VALID_FOR_S)
        return [finding.sentence for finding in findings if not finding.holds]

    def test_one_as_it_should_be_passes(self) -> None:
        assert self.failed(GOOD, SUBSCRIBED, ACCEPTED, None) == []

    def test_without_one_nothing_is_said(self) -> None:
        assert self.failed() == []

    @pytest.mark.parametrize(
        ("packets", "word"),
        [
            ([Connect(**{**vars(GOOD), "is_clean": False})], "clean start"),
            ([Connect(**{**vars(GOOD), "session_expiry_s": 60})], "clean start"),
            ([Connect(**{**vars(GOOD), "keep_alive_s": 3})], "keep-alive is at most"),
            ([Connect(**{**vars(GOOD), "keep_alive_s": 0})], "keep-alive is at most"),
        ],
    )
    def test_how_it_connects(self, packets: list[Packet], word: str) -> None:
        found = self.failed(*packets, SUBSCRIBED, every_s=0.5)

        assert len(found) == 1
        assert word in found[0]

    @pytest.mark.parametrize("filter_", ["#", "ven-fleet/+/pump/desired", f"{TOPIC}/desired"])
    def test_what_it_subscribes_to(self, filter_: str) -> None:
        assert self.failed(GOOD, Subscribe(filters=((filter_, 1),))) == []

    @pytest.mark.parametrize(
        "filters",
        [(), ((f"{TOPIC}/desired", 0),), (("ven-fleet/+/car/desired", 1),), ((TOPIC, 1),)],
    )
    def test_what_is_no_subscription(self, filters: tuple[tuple[str, int], ...]) -> None:
        (found,) = self.failed(GOOD, Subscribe(filters=filters))

        assert found == "it subscribes to its orders with QoS 1"

    def test_one_that_is_silent_for_too_long(self) -> None:
        (found,) = self.failed(GOOD, SUBSCRIBED, None, every_s=3.5)

        assert found == "it is never silent for longer than its keep-alive"

    def test_one_that_is_silent_until_its_connection_ends(self) -> None:
        seen = Observed(topic=TOPIC)
        packets: list[tuple[Packet, float]] = [(GOOD, 0.0), (SUBSCRIBED, 0.1)]
        for packet, at_s in packets:
            seen.see(packet, at_s)

        seen.ended(5.0)

        failed = [each for each in connection_findings(seen, VALID_FOR_S) if not each.holds]
        assert [each.seen for each in failed] == ["silent for 4.9 s"]

    def test_how_it_answers(self) -> None:
        answer = Publish(topic=f"{TOPIC}/outcome", body=b"{}", qos=0, is_retained=True)

        assert self.failed(GOOD, SUBSCRIBED, answer) == [
            "it publishes outcomes with QoS 1",
            "no outcome is retained",
        ]


CONNECT_5 = bytes.fromhex(
    "10 15 00044d515454 05 02 0002 05 110000003c 0003 616263".replace(" ", "")
)
CONNECT_311 = bytes.fromhex("10 0f 00044d515454 04 00 003c 0003 616263".replace(" ", ""))
SUBSCRIBE_5 = bytes.fromhex("82 08 0001 00 0002 612f 01".replace(" ", ""))
PUBLISH_5 = bytes.fromhex("33 08 0001 61 0007 00 7b7d".replace(" ", ""))


class TestWhatPassesBy:
    def test_it_is_read_whatever_pieces_it_comes_in(self) -> None:
        stream = CONNECT_5 + SUBSCRIBE_5 + PUBLISH_5 + b"\xc0\x00"
        expected: list[Packet] = [
            Connect(protocol=5, is_clean=True, keep_alive_s=2, session_expiry_s=60),
            Subscribe(filters=(("a/", 1),)),
            Publish(topic="a", body=b"{}", qos=1, is_retained=True),
            None,
        ]
        for size in (1, 2, 3, 7, len(stream)):
            reader = PacketReader()
            pieces = [stream[place : place + size] for place in range(0, len(stream), size)]

            assert [each for piece in pieces for each in reader.feed(piece)] == expected

    def test_a_topic_that_is_named_once_is_known_by_its_alias(self) -> None:
        named = bytes.fromhex("30 08 0001 61 03 230001 78".replace(" ", ""))
        again = bytes.fromhex("30 07 0000 03 230001 79".replace(" ", ""))

        found = [*PacketReader().feed(named + again)]

        assert [(each.topic, each.body) for each in found if isinstance(each, Publish)] == [
            ("a", b"x"),
            ("a", b"y"),
        ]

    def test_also_of_the_version_before(self) -> None:
        (connect,) = PacketReader().feed(CONNECT_311)

        assert connect == Connect(protocol=4, is_clean=False, keep_alive_s=60, session_expiry_s=0)

    @pytest.mark.parametrize(
        "stream", [b"\x10\xff\xff\xff\xff\x01", b"\x10\xff\xff\x7f", b"\x10\x02\x00\x04"]
    )
    def test_what_is_no_mqtt_is_said(self, stream: bytes) -> None:
        with pytest.raises(ValueError, match="packet"):
            list(PacketReader().feed(stream))
