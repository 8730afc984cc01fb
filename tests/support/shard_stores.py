"""What the stores of a fleet in shards hold, read beside it."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import text

from app.fleet import sample_fleet
from app.platform import shard_of
from tests.support.killed import Stored
from tests.support.processes import Application
from tests.support.waiting import wait_until

LOOKS = 3
"""For what comes late, after a takeover."""
LOOKS_WITHIN_S = 180
"""After 50 rounds there are 150 to look for, each in pages of the VTN that are megabytes long."""


_HOLDER = "SELECT holder FROM lease WHERE expires_at > clock_timestamp()"


class ShardStore(Stored):
    """What the store of one shard holds."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__(url, schema=None if url.startswith("sqlite") else f"shard_{number}")

    def owed(self) -> list[int]:
        """But for what is only looked for again."""
        return super().owed()[:-1]

    def holder(self) -> str | None:
        """Of its lease: host and process id; None: nobody has it."""
        with self._engine.begin() as connection:
            found = connection.execute(text(_HOLDER)).scalar()
        return None if found is None else str(found)

    def epoch(self) -> int:
        """Of its lease."""
        return self._number("SELECT epoch FROM lease")

    def is_back(
        self, before: int, *, otherwise: Callable[[], str] = lambda: "nobody has it"
    ) -> float:
        """When another owner had it, by the monotonic clock; it has stored its first tick.
        `otherwise`: what is said where there is none."""
        wait_until(lambda: self.epoch() > before, timeout_s=30, otherwise=otherwise)
        at_s, newest = time.monotonic(), self.newest()
        wait_until(lambda: self.has_more(newest), timeout_s=30, otherwise=otherwise)
        return at_s

    def look_again(self) -> None:
        """As when the minutes and the hour have passed."""
        for _ in range(LOOKS):
            with self._engine.begin() as connection:
                connection.execute(text("UPDATE second_look SET due_us = 0"))
            wait_until(
                lambda: not self._number("SELECT count(*) FROM second_look WHERE due_us = 0"),
                timeout_s=LOOKS_WITHIN_S,
            )


def sample_vens(number: int, *, of: int, vens: int) -> list[str]:
    """Of a sample fleet with so many VENs: those of one shard."""
    sample = sample_fleet(vens=vens, resources_per_ven=0)
    return [name for name in sample if shard_of(name, of) == number]


def calm_down(store: ShardStore, application: Application) -> None:
    """Until nothing is owed, and nothing that came late is left to be found."""
    application.wait_for("schedule: ")
    wait_until(
        lambda: not any(store.owed()),
        timeout_s=60,
        otherwise=lambda: f"owed: {store.owed()}\n{application.log}",
    )
    store.look_again()
    assert application.stop() == 0, application.log
