"""Posting orders where some devices, or all, do not answer."""

from __future__ import annotations

import itertools
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.actuation.actuators import ActuatorsFile, HttpActuator
from app.actuation.http import THREADS, HttpChannel
from app.actuation.order import Key, Written
from app.actuation.outcomes import OutcomeInbox
from app.actuation.poster import OrderPoster
from app.actuation.signal import OrderSignal
from app.actuation.status import ActuatorStats, ActuatorStatus
from app.platform import NO_FENCE, LogOnce
from tests.support.fakes import FakeClock
from tests.support.servers import Answer, ReceivedRequest, ScriptedVtn
from tests.support.waiting import wait_until

ACCEPTED = Answer(status=200, body={"seq": 1, "status": "ACCEPTED"})
PUMP, DEAD = Key("Aarhus", "pump"), Key("Aarhus", "dead")


class Book:
    """Has an order for everybody; for one of them, what a test says."""

    run = "run-1"

    def __init__(self) -> None:
        self.odd: dict[Key, tuple[str, bytes]] = {}
        self.live: list[Key] = []
        """Whose orders are in force."""

    def written(self, key: Key) -> Written | None:
        actuator, body = self.odd.get(key, ("homes", b"{}"))
        return Written(key=key, actuator=actuator, seq=1, body=body, left_s=60.0)

    def of_actuator(self, name: str) -> list[Key]:
        return self.live if name == "homes" else []


class Bench:
    def __init__(self, url: str, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        log_once = LogOnce()
        self.book, self.stats = Book(), ActuatorStats()
        self.inbox = OutcomeInbox(
            actuators=ActuatorsFile(None, monotonic=FakeClock().monotonic, log_once=log_once),
            signal=OrderSignal(),
        )
        self.channel = HttpChannel(
            HttpActuator(
                name="homes",
                type="http",
                url=f"{url}/{{ven}}/{{resource}}",
                ack_timeout=timedelta(seconds=1),
            ),
            folder=Path(),
            book=self.book,
            inbox=self.inbox,
            make_poster=lambda: OrderPoster(monotonic=monotonic),
            fence=NO_FENCE,
            stats=self.stats,
            log_once=log_once,
        )
        self.channel.start()

    @property
    def status(self) -> ActuatorStatus:
        return self.stats.all().get("homes", ActuatorStatus())


MakeBench = Callable[..., Bench]


@pytest.fixture
def bench() -> Iterator[MakeBench]:
    made: list[Bench] = []

    def begin(url: str, **how: Any) -> Bench:
        made.append(Bench(url, **how))
        return made[-1]

    yield begin
    for each in made:
        each.channel.close()


class Devices:
    """Those called `dead` keep who asks waiting, until the test is over."""

    def __init__(self) -> None:
        self._over = threading.Event()
        self.server = ScriptedVtn(self._answer)

    def _answer(self, asked: ReceivedRequest) -> Answer:
        if "dead" in asked.path:
            self._over.wait(20)
        return ACCEPTED

    def close(self) -> None:
        self._over.set()
        self.server.close()


@pytest.fixture
def devices() -> Iterator[Devices]:
    made = Devices()
    yield made
    made.close()


def test_who_does_not_answer_delays_nobody_who_does(bench: MakeBench, devices: Devices) -> None:
    fleet = bench(devices.server.base_url)
    dead = [Key("Aarhus", f"dead-{number}") for number in range(THREADS)]
    fleet.book.live = [*dead, PUMP]
    fleet.channel.write(dead)
    wait_until(lambda: fleet.status.not_taken == len(dead))
    assert fleet.status.away is not None

    fleet.channel.write([*dead, *dead, PUMP])

    wait_until(fleet.inbox.take, timeout_s=0.9)
    assert fleet.status.away is None, "an order reached a device"


def test_that_one_was_reached_which_is_gone_does_not_count(
    bench: MakeBench, devices: Devices
) -> None:
    fleet = bench(devices.server.base_url)
    fleet.book.live = [PUMP, DEAD]
    fleet.channel.write([PUMP])
    wait_until(fleet.inbox.take)

    fleet.book.live = [DEAD]
    fleet.channel.write([DEAD])

    wait_until(lambda: fleet.status.not_taken)
    assert fleet.status.away is not None


def test_one_that_is_gone_is_no_problem_any_more(
    bench: MakeBench, devices: Devices, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fleet = bench(devices.server.base_url)
    fleet.book.live = [DEAD]
    fleet.channel.write([DEAD])
    wait_until(lambda: fleet.status.away)

    fleet.book.live = [PUMP]
    fleet.channel.write([PUMP])

    wait_until(lambda: "actuator homes: orders arrive again" in caplog.messages)


def test_a_redirect_is_not_followed(bench: MakeBench) -> None:
    """An order goes where the file says, with its token, and nowhere else."""
    elsewhere = ScriptedVtn(lambda _: ACCEPTED)
    moved = Answer(status=307, headers={"Location": f"{elsewhere.base_url}/pump"})
    with closing(elsewhere), closing(ScriptedVtn(lambda _: moved)) as device:
        fleet = bench(device.base_url)

        fleet.channel.write([PUMP])

        wait_until(lambda: fleet.status.away)
        assert fleet.status.away == f"it answers 307 ({PUMP})"
        assert elsewhere.asked == []


def test_who_answers_in_drops_is_given_up(bench: MakeBench) -> None:
    """Each drop comes in time, and the last one never would."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fleet = bench(f"http://127.0.0.1:{listener.getsockname()[1]}")
        fleet.channel.write([PUMP])
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            threading.Thread(target=drip, args=(connection, over), daemon=True).start()

            wait_until(lambda: fleet.status.away, timeout_s=5)
            over.set()


def drip(connection: socket.socket, over: threading.Event) -> None:
    with suppress(OSError):  # it was given up
        while not over.wait(0.3):
            connection.sendall(b"X: y\r\n")


def test_a_connection_that_took_too_long_is_not_used(bench: MakeBench, devices: Devices) -> None:
    """As where a name server is slow: what the order says of its time counts from before."""
    seconds = itertools.count(step=10.0)
    fleet = bench(devices.server.base_url, monotonic=lambda: next(seconds))

    fleet.channel.write([PUMP])

    wait_until(lambda: fleet.status.away)
    assert devices.server.asked == []


def test_an_order_that_is_given_up_is_reset_and_not_sent_later(
    bench: MakeBench,
) -> None:
    """A connection that is closed as usual delivers what the kernel still has of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fleet = bench(f"http://127.0.0.1:{listener.getsockname()[1]}")
        fleet.channel.write([PUMP])
        connection, _ = listener.accept()
        with connection:
            wait_until(lambda: fleet.status.away)

            with pytest.raises(ConnectionResetError):
                read_all(connection)


def read_all(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(("plants", b"{}"), id="of another actuator"),
        pytest.param(("homes", b""), id="what a broker would forget"),
    ],
)
def test_nothing_is_posted_that_is_no_order_of_its_own(
    bench: MakeBench, devices: Devices, odd: tuple[str, bytes]
) -> None:
    fleet = bench(devices.server.base_url)
    fleet.book.odd = {PUMP: odd}

    fleet.channel.write([PUMP, Key("Aarhus", "car")])

    wait_until(fleet.inbox.take)
    assert [asked.path for asked in devices.server.asked] == ["/Aarhus/car"]
