"""When messages are taken together, and what is kept where there are too many."""

from __future__ import annotations

import pytest

from app.intake.mqtt.inbox import (
    AT_ONCE,
    LONGEST_WAIT_S,
    MAX_BYTES,
    MAX_MESSAGES,
    QUIET_S,
    WINDOW,
    Incoming,
    MessageInbox,
)
from app.mqtt import Message
from tests.support.fakes import FakeClock


@pytest.fixture
def inbox(clock: FakeClock) -> MessageInbox:
    return MessageInbox(monotonic=clock.monotonic)


def message(topic: str = "a", *, is_kept: bool = True, size: int = 10) -> Incoming:
    return Incoming(Message(topic, b"x" * size, False), 0, 0, is_kept)


def taken(inbox: MessageInbox) -> int:
    """How many are taken now; 0: it is not time yet."""
    return len(inbox.take(0.0) or ())


class TestWhenTheyAreTaken:
    def test_one_waits_for_others_but_not_long(self, inbox: MessageInbox, clock: FakeClock) -> None:
        inbox.put(message())

        clock.advance(seconds=LONGEST_WAIT_S)

        assert taken(inbox) == 1

    def test_so_many_are_taken_at_once(self, inbox: MessageInbox) -> None:
        for _ in range(AT_ONCE + 1):
            inbox.put(message())

        assert taken(inbox) == AT_ONCE

    def test_when_nothing_more_comes_the_broker_may_wait_for_us(
        self, inbox: MessageInbox, clock: FakeClock
    ) -> None:
        """One that is not set up for it sends no more than twenty."""
        for _ in range(WINDOW):
            inbox.put(message())

        clock.advance(seconds=QUIET_S)

        assert taken(inbox) == WINDOW

    def test_nothing_is_taken_after_the_end(self, inbox: MessageInbox) -> None:
        inbox.put(message())

        inbox.close()

        assert inbox.take(0.0) is None


class TestTooMany:
    def test_what_the_broker_keeps_is_not_dropped(self, inbox: MessageInbox) -> None:
        is_full = [inbox.put(message()) for _ in range(MAX_MESSAGES)]

        assert (is_full[-2], is_full[-1]) == (False, True)
        assert (inbox.has_room, inbox.take_dropped()) == (False, 0)

    def test_there_is_room_again_when_half_is_taken(self, inbox: MessageInbox) -> None:
        for _ in range(MAX_MESSAGES):
            inbox.put(message())

        while not inbox.has_room:
            assert taken(inbox) == AT_ONCE

    def test_of_the_others_the_newest_of_each_topic_stays(self, inbox: MessageInbox) -> None:
        kept = message("kept")
        inbox.put(kept)
        for number in range(MAX_MESSAGES - 1):
            newest = message(f"topic-{number % 2}", is_kept=False)
            inbox.put(newest)

        assert inbox.take_dropped() == MAX_MESSAGES - 3
        assert inbox.has_room

    def test_bytes_count_too(self, inbox: MessageInbox) -> None:
        assert not inbox.put(message(size=MAX_BYTES - 1))
        assert inbox.put(message(size=1))

    def test_of_large_ones_that_nobody_keeps_half_of_the_room_is_filled(
        self, inbox: MessageInbox
    ) -> None:
        for number in range(20):
            inbox.put(message(f"topic-{number}", is_kept=False, size=MAX_BYTES // 10))

        assert inbox.take_dropped() > 0
        assert not inbox.put(message())
