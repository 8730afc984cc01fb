"""The fleet in all of its shards, for those who look at all of it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from app.fleet.model import VEN, Resource, Status, VenSummary
from app.fleet.repository import FleetRepository
from app.fleet.saving import shared_meter
from app.openadr import normalized_name
from app.platform import EachShard, Progress, no_progress


class WholeFleet:
    """As FleetRepository, over the stores of all shards: each VEN is in the one of its name.

    `default_source`: of new resources that say none.
    """

    def __init__(self, shards: EachShard[FleetRepository], *, default_source: str) -> None:
        self._shards = shards
        self._default_source = default_source

    def revision(self) -> int:
        """A number that rises with every change of the fleet, whoever made it."""
        return sum(shard.revision() for shard in self._shards)

    def vens(self) -> list[VEN]:
        """All VENs, by name."""
        return _by_name(shard.vens() for shard in self._shards)

    def ven_names(self) -> list[str]:
        """The names of all VENs, in order."""
        return sorted(name for shard in self._shards for name in shard.ven_names())

    def ven(self, ven_name: str) -> VEN | None:
        return self._shards.of(ven_name).ven(ven_name)

    def pending_vens(self) -> list[VEN]:
        """VENs that are not enrolled, or have resources that are not, by name."""
        return _by_name(shard.pending_vens() for shard in self._shards)

    def resources(self, ven_name: str | None = None) -> Iterator[tuple[str, Resource]]:
        """(VEN's name, resource), by VEN and resource name; of one VEN, or of all."""
        if ven_name is not None:
            return self._shards.of(ven_name).resources(ven_name)
        every = [shard.resources() for shard in self._shards]
        return every[0] if len(every) == 1 else heapq.merge(*every, key=lambda found: found[0])

    def metered(self) -> Iterator[tuple[str, Resource]]:
        """(VEN's name, resource) of each that has a real meter and is not on its way out."""
        for shard in self._shards:
            yield from shard.metered()

    def summaries(self) -> list[VenSummary]:
        """Every VEN with the number of its resources by status, by name."""
        found = [each for shard in self._shards for each in shard.summaries()]
        if len(self._shards) > 1:
            found.sort(key=lambda each: each.ven.ven_name)
        return found

    def count_not_metered(self) -> int:
        """How many resources are neither simulated nor have a meter."""
        return sum(shard.count_not_metered() for shard in self._shards)

    def save(
        self, fleet: Mapping[str, Sequence[Resource]], progress: Progress = no_progress
    ) -> int:
        """As FleetRepository.save, shard by shard: one that fails leaves those before it saved."""
        if len(self._shards) > 1:
            self._refuse_shared_meters(fleet)
        new = 0
        for shard in self._shards:
            own = shard.own(fleet)
            new += shard.save(own, progress) if own else 0
        return new

    def _refuse_shared_meters(self, fleet: Mapping[str, Sequence[Resource]]) -> None:
        """ValueError: two resources of different shards would have the same meter."""
        after = {
            _key(ven_name, resource): resource
            for ven_name, resource in self.resources()
            if resource.status is not Status.REMOVED
        }
        for ven_name, resources in fleet.items():
            for resource in resources:
                key = _key(ven_name, resource)
                before = after.get(key) or replace(resource, source=self._default_source, device="")
                after[key] = replace(
                    resource,
                    source=resource.source or before.source,
                    device=before.device if resource.device is None else resource.device,
                )
        owners: dict[tuple[str, str], tuple[str, str]] = {}
        for key, resource in after.items():
            if not resource.has_meter:
                continue
            meter = (resource.source or "", resource.meter)
            other = owners.setdefault(meter, key)
            if other != key:
                raise shared_meter(*meter, *("/".join(each) for each in sorted((other, key))))


def _key(ven_name: str, resource: Resource) -> tuple[str, str]:
    return normalized_name(ven_name), normalized_name(resource.resource_name)


def _by_name(found: Iterable[list[VEN]]) -> list[VEN]:
    of_shards = list(found)
    if len(of_shards) == 1:
        return of_shards[0]
    return sorted((ven for vens in of_shards for ven in vens), key=lambda ven: ven.ven_name)
