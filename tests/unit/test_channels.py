"""Which channels there are, as the file of actuators changes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from app.actuation.actuators import Actuator, ActuatorsFile
from app.actuation.channels import Channels
from app.actuation.order import Key
from app.mqtt import BrokerLoop
from app.platform import LogOnce
from tests.support.fakes import FakeClock
from tests.support.orders import CAR, PUMP

HOMES = """
[[actuator]]
name = "homes"
type = "mqtt"
url = "mqtt://127.0.0.1"
"""
PLANTS = """
[[actuator]]
name = "plants"
type = "http"
url = "http://127.0.0.1/{ven}/{resource}"
"""
SHOWN = "homeassistant = true\n"


class FakeChannel:
    """Remembers what it was told."""

    def __init__(self, actuator: Actuator, *, folder: Path) -> None:  # noqa: ARG002
        self.actuator = actuator
        self.said: list[str] = []
        self.written: list[Key] = []
        self.shown: tuple[Mapping[Key, str], Collection[tuple[str, str]]] | None = None

    def start(self) -> None:
        self.said.append("start")

    def write(self, keys: Sequence[Key]) -> None:
        self.written += keys

    def show(self, actuators: Mapping[Key, str], opted_out: Collection[tuple[str, str]]) -> None:
        self.shown = actuators, opted_out

    def retire(self) -> None:
        self.said.append("retire")

    def close(self) -> None:
        self.said.append("close")


class Bench:
    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self._file, self._clock = folder / "sources.toml", clock
        self.made: list[FakeChannel] = []
        self.say(HOMES)
        loop = BrokerLoop(monotonic=clock.monotonic, connectors=1)
        self.channels = Channels(
            actuators=ActuatorsFile(self._file, monotonic=clock.monotonic, log_once=LogOnce()),
            loop=loop,
            make_mqtt=self.make,
            make_http=self.make,
        )
        self.channels()

    def say(self, text: str) -> None:
        """What the file has from now on; it is looked at a minute later."""
        self._file.write_text(text)
        self._clock.advance(minutes=1)

    def make(self, *args: Any, **how: Any) -> FakeChannel:
        self.made.append(FakeChannel(*args, **how))
        return self.made[-1]


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    made = Bench(tmp_path, clock)
    yield made
    made.channels.close()


def test_what_did_not_change_goes_on(bench: Bench) -> None:
    bench.channels()

    (channel,) = bench.made
    assert channel.said == ["start"]


def test_a_changed_one_is_made_anew(bench: Bench) -> None:
    bench.say(HOMES + 'prefix = "others"\n')

    bench.channels()

    before, after = bench.made
    assert before.said[1] == "close"
    assert after.said == ["start"]
    bench.channels.write("homes", [PUMP])
    assert (before.written, after.written) == ([], [PUMP])


def test_one_that_is_gone_is_written_nothing(bench: Bench) -> None:
    bench.say(PLANTS)
    bench.channels()

    bench.channels.write("homes", [PUMP])

    assert bench.made[0].written == []


def test_a_new_one_knows_at_once_who_is_there(bench: Bench) -> None:
    shown: tuple[Mapping[Key, str], Collection[tuple[str, str]]] = (
        {PUMP: "homes", CAR: "plants"},
        [CAR],
    )
    bench.channels.show(*shown)
    bench.say(HOMES + PLANTS)

    bench.channels()

    assert [channel.shown for channel in bench.made] == [shown, shown]


class TestWhatHomeAssistantShows:
    @pytest.mark.parametrize(
        "after",
        [HOMES, PLANTS, HOMES + SHOWN + 'prefix = "others"\n'],
        ids=["off", "gone", "other"],
    )
    def test_is_taken_away_before_the_channel_ends(self, bench: Bench, after: str) -> None:
        bench.say(HOMES + SHOWN)
        bench.channels()
        shown = bench.made[-1]
        bench.say(after)

        bench.channels()
        assert shown.said == ["start", "retire"]
        bench.channels()
        assert shown.said == ["start", "retire", "close"]

    def test_stays_where_another_channel_goes_on_with_it(self, bench: Bench) -> None:
        bench.say(HOMES + SHOWN)
        bench.channels()
        shown = bench.made[-1]
        bench.say(HOMES + SHOWN + 'valid_for = "PT1M"\n')

        bench.channels()

        assert shown.said == ["start", "close"]

    def test_stays_when_the_application_ends(self, bench: Bench) -> None:
        bench.say(HOMES + SHOWN)
        bench.channels()

        bench.channels.close()

        assert bench.made[-1].said == ["start", "close"]
