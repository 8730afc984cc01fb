"""Measurements of the whole fleet: each reaches the shard that has its meter, and no other."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.intake import Measurements, MeterName, Receipt, Source
from app.intake.handed_on import HandedOn, Part
from app.intake.split import SplitIntake
from app.platform import OwnerAwayError, Shard, shard_of
from tests.support.measured import batch_of

SOURCE = Source(name="plant", type="http")


class Trouble(Enum):
    NONE = "it answers"
    AWAY = "nobody answers, and nothing is taken"
    ANSWER_LOST = "it is taken, and nobody answers"


class FakeShard:
    """The intake of one shard: durable, and each value once."""

    def __init__(self, *devices: str, vens: Sequence[str] = ()) -> None:
        self.devices = set(devices)
        self._vens = vens
        self.stored: dict[tuple[Any, int], float] = {}
        self.trouble = Trouble.NONE
        self.asked = 0

    def unknown(self, meters: Sequence[MeterName], source: Source) -> Sequence[int]:
        assert source is SOURCE
        self.asked += 1
        if self.trouble is not Trouble.NONE:
            raise OwnerAwayError("it does not answer")
        return [place for place, meter in enumerate(meters) if not self._has(meter)]

    def take_part(self, batch: Measurements, source: Source, *, leaves_unknown: bool) -> Part:
        assert source is SOURCE
        self.asked += 1
        if self.trouble is Trouble.AWAY:
            raise OwnerAwayError("it is run by nobody")
        used = np.unique(batch.key).tolist()
        unknown = [key for key in used if not self._has(batch.keys[key].meter)]
        receipt = Receipt()
        if not leaves_unknown:
            is_unknown = np.isin(batch.key, unknown)
            receipt.refusals.add_each(batch.lines[is_unknown], "no resource has the meter")
        for key, start, value in zip(batch.key, batch.start_us, batch.value, strict=True):
            if key not in unknown:
                place = batch.keys[key], int(start)
                receipt.repeated += place in self.stored
                receipt.taken += place not in self.stored
                self.stored[place] = float(value)
        if self.trouble is Trouble.ANSWER_LOST:
            raise OwnerAwayError("it does not answer")
        return Part(receipt=receipt, unknown=unknown if leaves_unknown else ())

    def _has(self, meter: MeterName) -> bool:
        return meter.device in self.devices or meter.ven_name in self._vens

    @property
    def values(self) -> list[float]:
        return sorted(self.stored.values())


def device(name: str) -> MeterName:
    return MeterName(device=name)


@pytest.fixture
def shards() -> list[FakeShard]:
    return [FakeShard("a", "b"), FakeShard("c")]


@pytest.fixture
def intake(shards: list[FakeShard]) -> SplitIntake:
    return SplitIntake(shards)


def test_each_shard_takes_what_is_its_own(intake: SplitIntake, shards: list[FakeShard]) -> None:
    receipt = intake.take(batch_of([device("a"), device("c"), device("b")]), SOURCE)

    assert (receipt.taken, receipt.refusals.count) == (3, 0)
    assert [shard.values for shard in shards] == [[1.0, 3.0], [2.0]]


def test_only_who_has_a_meter_is_asked_once_that_is_known(
    intake: SplitIntake, shards: list[FakeShard]
) -> None:
    intake.take(batch_of([device("a")]), SOURCE)
    before = [shard.asked for shard in shards]

    intake.take(batch_of([device("a")], first_us=1), SOURCE)

    assert [shard.asked for shard in shards] == [before[0] + 1, before[1]]


def test_a_meter_that_has_moved_is_found_again(
    intake: SplitIntake, shards: list[FakeShard]
) -> None:
    intake.take(batch_of([device("a")]), SOURCE)
    shards[0].devices.remove("a")
    shards[1].devices.add("a")

    receipt = intake.take(batch_of([device("a")], first_us=1), SOURCE)

    assert (receipt.taken, receipt.refusals.count) == (1, 0)
    assert len(shards[1].stored) == 1


def test_a_meter_that_nobody_has_is_refused_once_where_it_stands(intake: SplitIntake) -> None:
    receipt = intake.take(batch_of([device("a"), device("nobody's")]), SOURCE)

    assert receipt.taken == 1
    assert [each.line for each in receipt.refusals.first] == [2]


def test_a_reading_that_names_its_ven_goes_to_the_shard_of_that_name() -> None:
    number = shard_of("Aarhus", 2)
    shards = [FakeShard(), FakeShard()]
    shards[number] = FakeShard(vens=["Aarhus"])
    meter = MeterName(ven_name="Aarhus", resource_name="hall")

    receipt = SplitIntake(shards).take(batch_of([meter]), SOURCE)

    assert (receipt.taken, shards[1 - number].asked) == (1, 0)


def test_a_meter_that_two_shards_have_is_taken_by_neither(
    intake: SplitIntake, shards: list[FakeShard]
) -> None:
    shards[1].devices.add("a")

    receipt = intake.take(batch_of([device("b"), device("a")]), SOURCE)

    assert receipt.taken == 1
    (refusal,) = receipt.refusals.first
    assert (refusal.line, refusal.reason) == (2, "several resources have the meter 'a'")
    assert [shard.values for shard in shards] == [[1.0], []]


class TestWhenAShardIsAway:
    def test_a_batch_with_something_of_it_is_to_be_handed_in_again(
        self, intake: SplitIntake, shards: list[FakeShard]
    ) -> None:
        batch = batch_of([device("a"), device("c")])
        shards[1].trouble = Trouble.AWAY
        with pytest.raises(OwnerAwayError):
            intake.take(batch, SOURCE)
        shards[1].trouble = Trouble.NONE

        receipt = intake.take(batch, SOURCE)

        assert (receipt.taken, receipt.repeated) == (1, 1)

    def test_a_meter_that_no_other_has_may_be_its_own(
        self, intake: SplitIntake, shards: list[FakeShard]
    ) -> None:
        shards[1].trouble = Trouble.AWAY

        with pytest.raises(OwnerAwayError):
            intake.take(batch_of([device("nobody's")]), SOURCE)

    def test_what_others_have_is_taken(self, intake: SplitIntake, shards: list[FakeShard]) -> None:
        shards[1].trouble = Trouble.AWAY

        assert intake.take(batch_of([device("a"), device("b")]), SOURCE).taken == 2


def test_a_process_that_runs_a_shard_asks_no_other_for_what_it_has_itself() -> None:
    shards = [FakeShard("a"), FakeShard("b")]
    intake = SplitIntake(shards, own=Shard(0, 2))

    intake.take(batch_of([device("a")]), SOURCE)
    assert shards[1].asked == 0
    intake.take(batch_of([device("b")]), SOURCE)

    assert [shard.values for shard in shards] == [[1.0], [1.0]]


@settings(max_examples=200)
@given(data=st.data(), count=st.integers(1, 5))
def test_every_value_is_taken_once_whoever_fails_meanwhile(data: Any, count: int) -> None:
    """As long as the sender repeats what was not answered."""
    names = [f"d-{number}" for number in range(6)]
    owners = data.draw(st.lists(st.integers(0, count - 1), min_size=5, max_size=5))
    shards = [
        FakeShard(*(name for name, owner in zip(names, owners, strict=False) if owner == number))
        for number in range(count)
    ]  # the last device is nobody's
    intake = SplitIntake(shards)
    troubles = st.lists(st.sampled_from(Trouble), min_size=count, max_size=count)
    expected = 0
    for number in range(data.draw(st.integers(1, 4))):
        meters = data.draw(st.lists(st.sampled_from(names).map(device), min_size=1, max_size=8))
        batch = batch_of(meters, first_us=number)
        known = sum(meter.device in names[:5] for meter in meters)
        expected += known
        for tries in range(4):
            drawn = data.draw(troubles) if tries < 3 else [Trouble.NONE] * count
            for shard, trouble in zip(shards, drawn, strict=True):
                shard.trouble = trouble
            try:
                receipt = intake.take(batch, SOURCE)
            except OwnerAwayError:
                continue
            assert receipt.taken + receipt.repeated == known
            assert receipt.refusals.count == len(meters) - known
            break

    assert sum(len(shard.stored) for shard in shards) == expected
    for shard in shards:
        assert {key.meter.device for key, _ in shard.stored} <= shard.devices


class TestOnItsWay:
    def test_a_batch_arrives_as_it_was(self) -> None:
        batch = batch_of([device("a"), MeterName(ven_name="Ærø", resource_name="é"), device("a")])
        sent = HandedOn(source="plant", batch=batch, leaves_unknown=True)

        got = HandedOn.read(sent.to_bytes())

        assert (got.source, got.leaves_unknown) == ("plant", True)
        assert list(got.batch.keys) == list(batch.keys)
        for name in ("key", "start_us", "end_us", "value", "quality", "code", "lines"):
            assert np.array_equal(getattr(got.batch, name), getattr(batch, name))

    def test_what_came_of_it_arrives_as_it_was(self) -> None:
        receipt = Receipt(taken=1, repeated=2, corrected=3, late=4, not_told=5)
        receipt.refusals.add(7, "value", "it is negative", count=2)

        got = Part.read(Part(receipt=receipt, unknown=[3]).to_bytes())

        assert (got.receipt, got.unknown) == (receipt, [3])

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "holds no measurements"),
            (b'{"version": 2}\n', "another version"),
            (b"[]\nx", "holds no measurements"),
        ],
    )
    def test_what_is_none_is_said(self, content: bytes, words: str) -> None:
        with pytest.raises(ValueError, match=words):
            HandedOn.read(content)

    def test_a_body_that_is_cut_off_is_none(self) -> None:
        sent = HandedOn(source="plant", batch=batch_of([device("a")]), leaves_unknown=True)

        with pytest.raises(ValueError, match=r"buffer|columns"):
            HandedOn.read(sent.to_bytes()[:-1])
