"""A reshard that is interrupted, wherever that is, goes on when it is called again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.cluster.resharding import FileStores, Reshard
from app.cluster.resharding.stores import Fill
from app.fleet import FleetRepository
from app.platform import Shard, ShardError
from app.platform.shards import Registry
from tests.integration.shards.conftest import MakeShard

pytestmark = pytest.mark.rest
NAMES = [f"VEN {number}" for number in range(9)]


class Interrupted(Exception):
    """The machine stops here."""


class FailingStores:
    """Real ones, until so many steps are done."""

    def __init__(self, stores: FileStores, *, steps: int) -> None:
        self._stores = stores
        self._left = steps

    def _step(self, do: Callable[..., None], *given: object) -> None:
        if not self._left:
            raise Interrupted
        self._left -= 1
        do(*given)

    def make_draft(self, parent: Shard, child: Shard, fill: Fill) -> None:
        self._step(self._stores.make_draft, parent, child, fill)

    def keep_aside(self, parent: Shard) -> None:
        self._step(self._stores.keep_aside, parent)

    def put_in_place(self, child: Shard) -> None:
        self._step(self._stores.put_in_place, child)

    def put_back(self, parent: Shard) -> None:
        self._step(self._stores.put_back, parent)

    def remove(self, shard: Shard) -> None:
        self._step(self._stores.remove, shard)

    def remove_kept(self) -> None:
        self._step(self._stores.remove_kept)

    def engine(self, shard: Shard) -> Engine | None:
        return self._stores.engine(shard)


class TestInterrupted:
    KINDS = ("sqlite",)

    @pytest.fixture
    def tool(self, make_shard: MakeShard, tmp_path: Path) -> Callable[[int], Reshard]:
        """`tool(3)`: one that is interrupted after three steps."""

        @contextmanager
        def alone(shard: Shard) -> Iterator[Callable[[], str | None]]:
            owner = make_shard(shard.number, of=shard.of).platform.owner()
            with owner.alone() as is_alone:
                assert is_alone
                yield owner.lost

        def make(steps: int) -> Reshard:
            registry: Registry = make_shard(0, of=1).platform.registry()
            stores = FailingStores(FileStores(tmp_path / "data"), steps=steps)
            return Reshard(registry=registry, stores=stores, moves=lambda _: stores, alone=alone)

        return make

    def vens(self, make_shard: MakeShard, shards: int) -> list[str]:
        """As all of them have them."""
        found: list[str] = []
        for number in range(shards):
            repository: FleetRepository = make_shard(number, of=shards).fleet.repository()
            found += repository.ven_names()
        return sorted(found)

    @pytest.fixture(params=[1, 2])
    def before(self, request: pytest.FixtureRequest, make_shard: MakeShard) -> int:
        """How many shards there are, with these VENs."""
        shards: int = request.param
        for number in range(shards):
            container = make_shard(number, of=shards)
            repository = container.fleet.repository()
            repository.save(repository.own(dict.fromkeys(NAMES, ())))
            container.platform.database().close()
        return shards

    @pytest.mark.parametrize("steps", range(12))
    def test_cut(
        self, make_shard: MakeShard, tool: Callable[[int], Reshard], before: int, steps: int
    ) -> None:
        after = 2 * before
        try:
            tool(steps).into(after)
        except Interrupted:
            is_begun = steps >= after  # all drafts are made, and stores are moved
            if is_begun:
                with pytest.raises(ShardError, match=f"call `reshard {after}` again"):
                    self.vens(make_shard, before)
            else:
                assert self.vens(make_shard, before) == NAMES
            tool(1_000).into(after)

        assert self.vens(make_shard, after) == NAMES

    @pytest.mark.parametrize("steps", range(8))
    def test_undone(
        self, make_shard: MakeShard, tool: Callable[[int], Reshard], before: int, steps: int
    ) -> None:
        tool(1_000).into(2 * before)
        try:
            tool(steps).undo()
        except Interrupted:
            with pytest.raises(ShardError, match="call `reshard --undo` again"):
                self.vens(make_shard, before)
            tool(1_000).undo()

        assert self.vens(make_shard, before) == NAMES
