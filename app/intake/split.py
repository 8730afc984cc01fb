"""Takes measurements of the whole fleet: each is handed to the owner of its shard."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Protocol, TypeVar

import numpy as np

from app.intake.handed_on import Part
from app.intake.measurement import Measurements, MeterName, Receipt
from app.intake.sources import Source
from app.platform import OperationalError, OwnerAwayError, Shard, shard_of

MAX_REMEMBERED = 2_000_000
"""Meters whose shard is known; of more, the oldest are looked for again."""
WORKERS_PER_SHARD = 8
Meter = tuple[str, MeterName]
"""As a source names it."""
T = TypeVar("T")


class ShardIntake(Protocol):
    """The intake of one shard, wherever it is; as `Intake`."""

    def unknown(self, meters: Sequence[MeterName], source: Source) -> Sequence[int]: ...

    def take_part(self, batch: Measurements, source: Source, *, leaves_unknown: bool) -> Part: ...


class SplitIntake:
    """As `Intake`, over all shards: a batch is taken when all owners have it durably.

    Whose a meter is, the shards know: where it is not remembered, all are asked. A meter that none
    of them has, one of them refuses. `own`: the one that is tried before all others, where there is
    one. Safe for several threads.
    """

    def __init__(self, shards: Sequence[ShardIntake], *, own: Shard | None = None) -> None:
        self._shards = shards
        self._own = None if own is None else own.number
        self._remembered: OrderedDict[Meter, int] = OrderedDict()
        self._workers = ThreadPoolExecutor(
            WORKERS_PER_SHARD * len(shards), thread_name_prefix="shards"
        )

    def take(self, batch: Measurements, source: Source) -> Receipt:
        """As `Intake.take`. OwnerAwayError: a shard is away that has, or may have, some of it; what
        others took they count as repeated when it is handed in again."""
        asked = _Asked(self._shards, self._workers, batch, source)
        meters = {key: batch.keys[key].meter for key in asked.missing()}
        by_name = {key: meter.ven_name for key, meter in meters.items() if meter.ven_name}
        remembered = {
            key: self._remembered.get((source.name, meter), self._own)
            for key, meter in meters.items()
            if key not in by_name
        }
        asked.take({key: shard_of(name, len(self._shards)) for key, name in by_name.items()})
        asked.take(
            {key: number for key, number in remembered.items() if number is not None},
            leaves_unknown=True,
        )
        asked.take(asked.owners([key for key in asked.missing() if key not in by_name]))
        for key, number in asked.found.items():
            if key not in by_name:
                self._remember((source.name, meters[key]), number)
        asked.raise_if_it_may_be_elsewhere()
        homes = {key: shard_of(str(meters[key]), len(self._shards)) for key in asked.missing()}
        asked.take(homes)  # which nobody has: one of them says so
        asked.raise_if_it_may_be_elsewhere()
        return asked.receipt

    def _remember(self, meter: Meter, number: int) -> None:
        self._remembered[meter] = number
        while len(self._remembered) > MAX_REMEMBERED:
            self._remembered.popitem(last=False)


class _Asked:
    """One batch, and what shards have said of its keys."""

    def __init__(
        self,
        shards: Sequence[ShardIntake],
        workers: Executor,
        batch: Measurements,
        source: Source,
    ) -> None:
        self._shards = shards
        self._workers = workers
        self._batch = batch
        self._source = source
        self._unsettled = np.unique(batch.key).tolist()
        self.receipt = Receipt()
        self.found: dict[int, int] = {}
        """The shard that has taken, or refused, the values of a key."""
        self._away: dict[int, OperationalError] = {}
        """Why shards that may have it did not answer."""

    def missing(self) -> list[int]:
        """Keys of which nothing has come yet."""
        return [key for key in self._unsettled if key not in self.found]

    def owners(self, keys: Sequence[int]) -> Mapping[int, int]:
        """The one shard that has the meter of a key, where there is one; of several, it is
        refused."""
        meters = [self._batch.keys[key].meter for key in keys]
        known_by: dict[int, list[int]] = {key: [] for key in keys}
        numbers = range(len(self._shards)) if keys else ()
        for number, answer in self._each(
            numbers, lambda number: self._shards[number].unknown(meters, self._source)
        ):
            if isinstance(answer, OperationalError):
                self._away.update(dict.fromkeys(keys, answer))
                continue
            unknown = set(answer)
            for place, key in enumerate(keys):
                if place not in unknown:
                    known_by[key].append(number)
        for key, found in known_by.items():
            if len(found) > 1:
                self._unsettled.remove(key)
                lines = self._batch.lines[self._batch.key == key]
                meter = str(self._batch.keys[key].meter)[:80]
                self.receipt.refusals.add_each(lines, f"several resources have the meter {meter!r}")
        return {key: found[0] for key, found in known_by.items() if len(found) == 1}

    def take(self, numbers: Mapping[int, int], *, leaves_unknown: bool = False) -> None:
        """Have each key's values taken by this shard; if it has not the meter, it refuses or leaves
        them."""
        keys_of: dict[int, list[int]] = {}
        for key, number in numbers.items():
            keys_of.setdefault(number, []).append(key)

        def part(number: int) -> Part:
            own = self._batch.only(np.isin(self._batch.key, keys_of[number]))
            return self._shards[number].take_part(own, self._source, leaves_unknown=leaves_unknown)

        for number, answer in self._each(list(keys_of), part):
            if isinstance(answer, OperationalError):
                self._away.update(dict.fromkeys(keys_of[number], answer))
            else:
                self.receipt.add(answer.receipt)
                unknown = set(answer.unknown)
                self.found |= {key: number for key in keys_of[number] if key not in unknown}

    def raise_if_it_may_be_elsewhere(self) -> None:
        """OwnerAwayError: of a key of which nothing came, not all shards answered."""
        for key in self.missing():
            if key in self._away:
                raise OwnerAwayError(f"{self._away[key]}; send the batch again")

    def _each(
        self, numbers: Sequence[int], ask: Callable[[int], T]
    ) -> Sequence[tuple[int, T | OperationalError]]:
        """What each shard answers, all asked at once."""

        def answer(number: int) -> T | OperationalError:
            try:
                return ask(number)
            except OperationalError as error:
                return error

        if len(numbers) == 1:
            return [(number, answer(number)) for number in numbers]
        return list(zip(numbers, self._workers.map(answer, numbers), strict=True))
