"""What an import changed of resources that the VTN has already is told to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from app.fleet.held_vens import HeldVens
from app.fleet.repository import FleetRepository
from app.openadr import VtnClient, VtnError, VtnRejected, VtnUnauthorised, WireError
from app.platform import FanOut, LogOnce

logger = logging.getLogger(__name__)


class ResourceUpdates:
    """Brings the attributes of resources at the VTN up to those of the fleet.

    Targets, and attributes of types that are not ours, stay as they are there. What the VTN refuses
    is said once and left, until an import changes it again. Safe for several threads.
    """

    def __init__(
        self,
        *,
        repository: FleetRepository,
        client_for: Callable[[str], VtnClient],
        fan_out: FanOut,
        held: HeldVens,
        log_once: LogOnce,
    ) -> None:
        self._repository = repository
        self._client_for = client_for
        self._fan_out = fan_out
        self._held = held
        self._log_once = log_once

    def send(self) -> None:
        """At a heartbeat: all that changed. A VEN that the VTN fails is held, and sent later."""
        names = self._held.free(self._repository.changed_vens())
        outcomes = self._fan_out(names, self._held.watched(self._send, str), failure=VtnError)
        sent = sum(count for _, count in outcomes if not isinstance(count, VtnError))
        if sent:
            logger.info("the VTN has %d resources that an import changed", sent)
        self._held.log_changes()

    def _send(self, ven_name: str) -> int:
        """How many resources of a VEN were brought up to date."""
        ven = self._repository.ven(ven_name)
        if ven is None or ven.vtn_ven_id is None:
            return 0
        sent = 0
        client = self._client_for(ven_name)
        for resource, revision in self._repository.changed_resources(ven_name):
            name, resource_id = resource.resource_name, resource.vtn_resource_id
            if resource_id is None:
                continue  # enrolment tells all of it
            update = partial(
                client.update_resource, ven.vtn_ven_id, resource_id, resource.attributes()
            )
            try:
                sent += update()
            except (VtnRejected, VtnUnauthorised, WireError) as error:
                if isinstance(error, VtnUnauthorised) and error.status != 403:
                    raise
                self._log_once(
                    logger,
                    logging.WARNING,
                    f"VEN {ven_name}, resource {name!r}: the VTN does not take what an import"
                    f" changed: {error}",
                )
            self._repository.mark_told(ven_name, name, revision)
        return sent
