"""A fleet that is told of changes by its VTN, and what it knows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from app.fleet import sample_fleet
from app.platform import Shutdown
from app.vtn import EmbeddedCredentials, EmbeddedVtn
from containers import Container
from tests.support.callers import Caller
from tests.support.waiting import wait_until
from tests.support.wiring import provider

VENS = 3


class PushedFleet:
    """Enrolled VENs, and all that belongs to push, running; nothing else is scheduled."""

    def __init__(self, container: Container, vtn: EmbeddedVtn, *, vens: int = VENS) -> None:
        self.container = container
        self.vtn = vtn
        self.business = container.openadr.business_logic()
        self._watching = Shutdown()
        provider(container, "push.watch").add_kwargs(every_s=0.05, shutdown=self._watching)
        container.fleet.repository().save(sample_fleet(vens=vens, resources_per_ven=2))
        self.manager = container.ven_manager()
        self.manager.enrol()

    @property
    def names(self) -> list[str]:
        return list(self.manager.enrolled)

    def start(self) -> None:
        """Begin, and wait until push works for every VEN."""
        self.container.push.service().start()
        self.wait_until_it_works()

    def stop_watching(self) -> None:
        """Subscribe to nothing more by itself."""
        self._watching.set()
        self.container.push.watch().close(5)

    def close(self) -> None:
        """End push as the application does."""
        self._watching.set()
        self.container.platform.shutdown().set()
        self.container.push.service().close()

    def wait_until_it_works(self) -> None:
        wait_until(
            lambda: self.trusted() == len(self.names),
            otherwise=lambda: f"push works for {self.trusted()} VENs; {self.counts()}",
        )

    def trusted(self) -> int:
        return int(self.container.vens.push_trust().count())

    def counts(self) -> dict[str, int]:
        return dict(self.container.push.inbox().counts)

    def to_poll(self) -> list[str]:
        """The VENs that the next poll would ask."""
        return list(self.container.vens.poll_plan().due(self.names))

    def send(self, **fields: Any) -> str:
        """Create an event at the VTN; its id."""
        event = self.business.send(
            **{
                "kind": "SIMPLE",
                "value": "2",
                "start": datetime.now(UTC),
                "duration": "PT1H",
                **fields,
            }
        )
        return str(event["id"])

    def business_logic(self) -> Caller:
        """For what a fleet's own business logic does not do."""
        secrets = EmbeddedCredentials.of(self.container.settings().data_dir / "vtn")
        return Caller(self.vtn, secrets.bl_client_id, secrets.bl_client_secret)

    def event(self, event_id: str) -> dict[str, Any]:
        """An event, as it may be written again."""
        found = self.vtn.store.get("EVENT", event_id)
        assert found is not None
        return found

    def knowing(self, event_id: str) -> list[str]:
        """The VENs that know of this event, and do not take it for cancelled."""
        book = self.container.events.store()
        return [
            name
            for name in self.names
            if any(
                seen.event.event_id == event_id and not seen.is_cancelled
                for seen in book.of_ven(name)
            )
        ]

    def wait_until_known(self, event_id: str, to: Callable[[], list[str]] | None = None) -> None:
        """Until all VENs know of the event, or just these."""
        wanted = self.names if to is None else to()
        wait_until(
            lambda: self.knowing(event_id) == wanted,
            otherwise=lambda: f"known to {self.knowing(event_id)}, {self.counts()}",
        )

    def wait_until_unknown(self, event_id: str) -> None:
        wait_until(lambda: not self.knowing(event_id))
