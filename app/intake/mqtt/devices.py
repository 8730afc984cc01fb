"""Which devices a process hears, of all that publish to a broker."""

from __future__ import annotations

import unicodedata
from typing import Protocol

from app.intake.meters import KnownMeters, Meters


class HeardDevices(Protocol):
    """Which devices the subscribers of a process hear, and by which ids brokers know them."""

    @property
    def client_suffix(self) -> str:
        """At the end of each id."""

    def devices(self, source: str) -> frozenset[str] | None:
        """Those of a source, by name; None: all that there are."""

    def former_suffix(self) -> str | None:
        """That of the sessions that brokers keep of before the fleet was cut; None: there
        are none, or another process goes on with them."""


class EveryDevice:
    """Of a fleet in one process."""

    client_suffix = ""

    def devices(self, source: str) -> frozenset[str] | None:
        """All: a meter that no resource has yet is shown as unknown."""
        del source
        return None

    def former_suffix(self) -> str | None:
        return None


class CutStore(Protocol):
    """The store of a shard, which says how the fleet is cut."""

    @property
    def client_suffix(self) -> str: ...

    def former_suffix(self) -> str | None: ...


class DevicesOfShard:
    """Those of the resources of one shard: brokers tell each process what is its own."""

    def __init__(self, *, meters: Meters, store: CutStore) -> None:
        self._meters = meters
        self._store = store
        self._known: KnownMeters | None = None
        self._devices: dict[str, frozenset[str]] = {}

    @property
    def client_suffix(self) -> str:
        return self._store.client_suffix

    def devices(self, source: str) -> frozenset[str] | None:
        """As the fleet has them now, in either form in which Unicode writes them."""
        known = self._meters.known()
        if known is not self._known:
            self._known, self._devices = known, {}
        if source not in self._devices:
            names = known.devices(source)
            self._devices[source] = frozenset(
                unicodedata.normalize(form, name) for form in ("NFC", "NFD") for name in names
            )
        return self._devices[source]

    def former_suffix(self) -> str | None:
        return self._store.former_suffix()
