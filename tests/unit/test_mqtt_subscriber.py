"""From the broker to the log: what is acknowledged when, and what happens when too much comes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.intake.measurement import Measurements, Receipt
from app.intake.mqtt import MqttSubscriber
from app.intake.mqtt.inbox import MAX_MESSAGES
from app.intake.refusal_log import RefusalLog
from app.intake.status import IntakeStats
from app.mqtt import Message, Session
from app.platform import LogOnce
from app.platform.shutdown import Shutdown
from tests.support.mqtt import mqtt_source, state
from tests.support.waiting import wait_until

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TIMED = {"topic": "meters/{device}", "profile": "power-kw"}
UNTIMED = {"topic": "plugs/{device}", "profile": "watts"}
SENSORS = {"topic": "ha/sensor/{device}/{field}", "profile": "home-assistant"}


class WindowedLoop:
    """Has messages for each session, of which so many at most are not acknowledged."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._waiting: deque[Message] = deque()
        self._flying = 0
        self._lock = threading.RLock()
        self.sessions: list[Session] = []
        self.subscriber: MqttSubscriber | None = None
        """Whose sessions they are."""
        self.acknowledged: list[Message] = []
        self.paused: list[str] = []

    def has(self, *messages: tuple[str, str]) -> None:
        """For the session that it keeps."""
        delivery: Any = (None, 1)
        with self._lock:
            self._waiting += (
                Message(topic, body.encode(), False, delivery) for topic, body in messages
            )
            self._deliver()

    def add(self, session: Session) -> None:
        with self._lock:
            self.sessions.append(session)
            session.is_up = True
            session.on_subscribed(session.filters)
            self._deliver()

    def acknowledge(self, session: Session, messages: Sequence[Message]) -> None:
        with self._lock:
            assert session.kept is not None
            self.acknowledged += messages
            self._flying -= len(messages)
            self._deliver()

    def pause(self, session: Session) -> None:
        session.is_paused = True
        self.paused.append(session.client_id)

    def resume(self, session: Session) -> None:
        with self._lock:
            session.is_paused = False
            self._deliver()

    def remove(self, session: Session, *, forget: bool = False) -> None: ...

    def _deliver(self) -> None:
        kept = [session for session in self.sessions if session.kept is not None]
        while kept and self._waiting and self._flying < self._window and not kept[0].is_paused:
            self._flying += 1
            kept[0].on_message(self._waiting.popleft())


class GatedIntake:
    """Takes while its gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.asked = threading.Event()
        self.taken = 0
        self.newest: float | None = None

    def take(self, batch: Measurements, _: object) -> Receipt:
        self.asked.set()
        self.gate.wait(60)
        self.taken += len(batch)
        self.newest = float(batch.value[-1])
        return Receipt(taken=len(batch))


@pytest.fixture
def intake() -> GatedIntake:
    return GatedIntake()


Listen = Callable[..., WindowedLoop]


@pytest.fixture
def listen(intake: GatedIntake) -> Iterator[Listen]:
    """A subscriber that hears these topics, in a loop with this window."""
    made: list[MqttSubscriber] = []

    def begin(*topics: dict[str, Any], window: int, **how: Any) -> WindowedLoop:
        loop = WindowedLoop(window)
        stats = IntakeStats(clock=lambda: NOON, monotonic=time.monotonic)
        parts: dict[str, Any] = {"intake": intake, "loop": loop, "stats": stats}
        subscriber = MqttSubscriber(
            mqtt_source(*topics),
            folder=Path(),
            former=None,
            refusal_log=RefusalLog(LogOnce()),
            clock=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            shutdown=Shutdown(deadline_s=10.0),
            log_once=LogOnce(),
            **parts,
            **how,
        )
        made.append(subscriber)
        loop.subscriber = subscriber
        subscriber.start()
        return loop

    yield begin
    intake.gate.set()
    for subscriber in made:
        subscriber.close()


def power(number: int) -> tuple[str, str]:
    at = NOON + timedelta(seconds=number)
    return f"meters/d-{number % 7}", f'{{"power_kw": 1.5, "ts": "{at.isoformat()}"}}'


def test_nothing_is_acknowledged_before_it_is_stored(intake: GatedIntake, listen: Listen) -> None:
    intake.gate.clear()
    loop = listen(TIMED, window=100)
    loop.has(*(power(number) for number in range(20)))
    assert intake.asked.wait(30)
    assert loop.acknowledged == []

    intake.gate.set()

    wait_until(lambda: len(loop.acknowledged) == 20)
    assert intake.taken == 20


def test_a_broker_with_a_small_window_is_not_waited_for_while_it_waits_for_us(
    intake: GatedIntake, listen: Listen
) -> None:
    """Sixty sensors change at once, and each says three things, one behind the others."""
    said = [state(f"s-{number}", "100", NOON) for number in range(60)]
    by_field = [message for field in zip(*said, strict=True) for message in field]

    loop = listen(SENSORS, window=20)
    loop.has(*by_field)

    wait_until(lambda: intake.taken == 60, otherwise=lambda: str(intake.taken))


class TestTooMany:
    def test_nothing_more_is_read_until_there_is_room(
        self, intake: GatedIntake, listen: Listen
    ) -> None:
        intake.gate.clear()
        loop = listen(TIMED, window=2 * MAX_MESSAGES)
        loop.has(*(power(number) for number in range(MAX_MESSAGES + 5_000)))
        wait_until(lambda: loop.paused == ["ven-fleet-homes"])

        intake.gate.set()

        wait_until(lambda: intake.taken == MAX_MESSAGES + 5_000)

    def test_what_nobody_keeps_is_read_on_and_the_newest_stays(
        self, intake: GatedIntake, listen: Listen
    ) -> None:
        """What is read late would be dated late."""
        intake.gate.clear()
        loop = listen(TIMED, UNTIMED, window=10)
        (untimed,) = (session for session in loop.sessions if session.kept is None)

        for watts in range(MAX_MESSAGES + 5_000):
            untimed.on_message(Message("plugs/d-1", b"%d" % watts, False))
        assert loop.paused == []

        intake.gate.set()

        newest_kw = (MAX_MESSAGES + 5_000 - 1) / 1000
        wait_until(lambda: intake.newest == newest_kw, otherwise=lambda: str(intake.newest))
        assert intake.taken < MAX_MESSAGES

    def test_only_what_the_broker_keeps_is_not_read(
        self, intake: GatedIntake, listen: Listen
    ) -> None:
        intake.gate.clear()
        loop = listen(TIMED, UNTIMED, window=2 * MAX_MESSAGES)
        (untimed,) = (session for session in loop.sessions if session.kept is None)
        loop.has(*(power(number) for number in range(MAX_MESSAGES + 5_000)))
        wait_until(lambda: len(loop.paused) == 1)

        untimed.on_message(Message("plugs/d-1", b"1500", False))

        assert loop.paused == ["ven-fleet-homes"]


class TestASessionOfBefore:
    """Of before the fleet was cut: what its broker has kept is handed on, and then it ends."""

    def test_subscribes_to_nothing_more(self, listen: Listen) -> None:
        loop = listen(TIMED, UNTIMED, window=100, is_former=True)

        assert [session.filters for session in loop.sessions] == [frozenset()]

    def test_has_caught_up_when_all_that_came_is_acknowledged(
        self, intake: GatedIntake, listen: Listen
    ) -> None:
        intake.gate.clear()
        loop = listen(TIMED, window=100, is_former=True)
        assert loop.subscriber is not None
        loop.has(power(1))
        assert intake.asked.wait(30)
        assert not loop.subscriber.has_caught_up

        intake.gate.set()

        wait_until(lambda: loop.subscriber and loop.subscriber.has_caught_up)
        assert len(loop.acknowledged) == 1

    def test_has_not_caught_up_where_it_is_just_connected(self, listen: Listen) -> None:
        """What the broker has kept may not have come yet."""
        loop = listen(TIMED, window=100, is_former=True)
        assert loop.subscriber is not None
        wait_until(lambda: loop.subscriber and loop.subscriber.has_caught_up)

        loop.sessions[0].up_since_s = time.monotonic()

        assert not loop.subscriber.has_caught_up
