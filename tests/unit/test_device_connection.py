"""How a device connects to its broker, told by the packets that pass by."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.device_check import Observed, connection_findings
from app.device_check.packets import Connect, Packet, PacketReader, Publish, Subscribe

VALID_FOR_S = 16.0
TOPIC = "ven-fleet/Home/pump"
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

    @given(st.binary(max_size=60))
    def test_whatever_comes_it_is_read_or_said_to_be_none(self, noise: bytes) -> None:
        for stream in (noise, CONNECT_5 + noise, b"\x10" + bytes([len(noise)]) + noise):
            with suppress(ValueError):
                list(PacketReader().feed(stream))

    @pytest.mark.parametrize(
        "stream", [b"\x10\xff\xff\xff\xff\x01", b"\x10\xff\xff\x7f", b"\x10\x02\x00\x04"]
    )
    def test_what_is_no_mqtt_is_said(self, stream: bytes) -> None:
        with pytest.raises(ValueError, match="packet"):
            list(PacketReader().feed(stream))
