"""The same of each shard of a fleet, for those who look at all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from app.platform.shards.shard import shard_of

T = TypeVar("T")
U = TypeVar("U")


class EachShard(Generic[T]):
    """One object for each shard, by its number; `make` is called when it is first asked for."""

    def __init__(self, shards: int, make: Callable[[int], T]) -> None:
        self._shards = shards
        self._make = make
        self._made: dict[int, T] = {}

    def __len__(self) -> int:
        return self._shards

    def __iter__(self) -> Iterator[T]:
        return map(self.__getitem__, range(self._shards))

    def __getitem__(self, number: int) -> T:
        if number not in self._made:
            self._made[number] = self._make(number)
        return self._made[number]

    def of(self, ven_name: str) -> T:
        """That of the shard in which the VEN of this name is, or would be."""
        return self[shard_of(ven_name, self._shards)]

    def made(self) -> list[T]:
        """Those that somebody has asked for."""
        return list(self._made.values())

    def map(self, view: Callable[[T], U]) -> EachShard[U]:
        """What `view` makes of each."""
        return EachShard(self._shards, lambda number: view(self[number]))
