"""The targets that business logic granted to a VEN and its resources (openadr.md, 'Targets')."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol, TypeVar

from app.events.seen import Granted
from app.fleet import VEN
from app.openadr import (
    Event,
    Program,
    Targets,
    VtnResource,
    VtnUnauthorised,
    VtnVen,
    WireError,
    normalized_name,
)
from app.platform import LogOnce

logger = logging.getLogger(__name__)
T = TypeVar("T")


class EventsClient(Protocol):
    """What a VEN asks its VTN for, to know its events."""

    ven_name: str

    def ven(self, ven_id: str) -> VtnVen | None: ...

    def resources(self, ven_id: str) -> list[VtnResource]: ...

    def programs(self, targets: Targets) -> list[Program]: ...

    def events(self, targets: Targets) -> list[Event]: ...

    def event(self, event_id: str) -> Event | None: ...


class Grants:
    """Reads them with each poll.

    `resource_names`: the names of a VEN's enrolled resources. `shown` is told of each VEN whether
    the VTN shows its ven object, and which of these resources it does not show.
    """

    def __init__(
        self,
        *,
        log_once: LogOnce,
        resource_names: Callable[[str], Collection[str]],
        shown: Callable[[VEN, bool, Collection[str]], None],
    ) -> None:
        self._log_once = log_once
        self._resource_names = resource_names
        self._shown = shown

    def read(self, ven: VEN, client: EventsClient, kept: Granted) -> Granted:
        """The targets as they are now; what may not be read stays as it was."""
        ven_id = ven.vtn_ven_id
        if ven_id is None:
            return kept
        try:
            seen = self.allowed(lambda: (client.ven(ven_id),), "its ven object", client)
        except WireError as error:
            self._say(f"VEN {ven.ven_name}: {error}; its targets stay as they were")
            return kept
        if seen is None:
            return kept
        (found,) = seen
        if found is None:
            self._shown(ven, False, ())
            return kept
        granted = replace(kept, ven=self._readable(found.targets, kept.ven, f"VEN {ven.ven_name}"))
        resources = self.allowed(lambda: client.resources(ven_id), "its resources", client)
        if resources is None:
            self._shown(ven, True, ())
            return granted
        ours = {normalized_name(name): name for name in self._resource_names(ven.ven_name)}
        targets = {}
        for resource in resources:
            # As the fleet spells it: a VTN may compose its letters in another way.
            name = ours.pop(normalized_name(resource.resource_name), resource.resource_name)
            targets[name] = self._readable(
                resource.targets,
                kept.resources.get(name, frozenset()),
                f"VEN {ven.ven_name}, resource {name!r}",
            )
        self._shown(ven, True, ours.values())
        return replace(granted, resources={name: own for name, own in targets.items() if own})

    def _readable(self, targets: Targets | None, kept: Targets, whose: str) -> Targets:
        if targets is None:
            self._say(f"{whose}: targets cannot be read and stay as they were")
            return kept
        return targets

    def allowed(self, ask: Callable[[], T], what: str, client: EventsClient) -> T | None:
        """The answer, or None where the VEN may not ask (403): said once, and no reason to stop."""
        try:
            return ask()
        except VtnUnauthorised as error:
            if error.status != 403:
                raise
            self._say(f"VEN {client.ven_name} may not read {what}: {error}", about=what)
            return None

    def _say(self, line: str, about: str = "") -> None:
        self._log_once(logger, logging.WARNING, line, about=about)
