"""The readings in the stores of all shards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.intake import (
    Exports,
    Importer,
    ImportRequest,
    ImportResult,
    InfluxPages,
    SourcesFile,
    UnknownDevices,
)
from app.platform import EachShard, Progress


@dataclass(frozen=True, kw_only=True)
class StoredReadings:
    """What the commands work with, of one shard."""

    importer: Importer
    exports: Exports
    unknown: UnknownDevices
    is_running: Callable[[], bool]
    """Whether a run goes on beside."""


@dataclass(frozen=True, kw_only=True)
class ReadingsTools:
    """What the commands work with."""

    shards: EachShard[StoredReadings]
    sources: SourcesFile
    influx: InfluxPages
    write_parquet: Callable[[Path, Iterator[dict[str, Any]]], int]

    def of(self, ven_name: str | None) -> list[StoredReadings]:
        """Where the readings of a VEN are, or of all."""
        return list(self.shards) if ven_name is None else [self.shards.of(ven_name)]


def imported(
    shards: EachShard[StoredReadings], request: ImportRequest, progress: Progress
) -> ImportResult:
    """What came of it in all shards: each takes what is its own, when none refuses anything.

    What is wrong with the files, and with meters that nobody has, the first one says.
    """
    staged = []
    for number, shard in enumerate(shards):
        own = replace(request, leaves_unknown=number > 0, is_beside_a_run=shard.is_running())
        staged.append((shard.importer, own, shard.importer.stage(own, progress)))
    is_good = request.keep_good or not any(
        each.result.receipt.refusals.count for _, _, each in staged
    )
    for importer, own, each in staged:
        if is_good:
            importer.take(own, each)
        else:
            importer.discard(each)
    (_, _, all_of_it), *others = staged
    for _, _, each in others:
        all_of_it.result.add(each.result)
    return all_of_it.result
