"""An application that is killed, and a VTN in front of which faults stand meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import inspect, text

from app.metering.profiles import load_profiles
from app.platform import make_engine, utc_now
from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.support.faulty_vtn import FaultyVtn
from tests.support.waiting import wait_until

SETTLE_S = 0.25
TIMEOUT_S = 2.0


class Stored:
    """What the database of the application holds, read beside it; `schema`: of a shard."""

    def __init__(self, url: str, *, schema: str | None = None) -> None:
        self._engine = make_engine(url, schema=schema)
        self._schema = schema
        self._first: int | None = None

    def newest(self) -> int:
        """The newest frame's number; 0: there is none."""
        return self._number("SELECT coalesce(max(seq), 0) FROM frame")

    def has_more(self, before: int) -> bool:
        return self.newest() > before

    def begin(self) -> None:
        """The first frame is there: the ticks are counted from it."""
        wait_until(lambda: self.newest() > 0)
        self._first = self._number("SELECT profile_index FROM frame ORDER BY seq LIMIT 1")

    def ticks(self) -> int:
        """How many ticks it ever took: each goes on from the last one that is stored."""
        assert self._first is not None
        last = self._number("SELECT profile_index FROM frame ORDER BY seq DESC LIMIT 1")
        return (last - self._first) % load_profiles().steps + 1

    def owed(self) -> list[int]:
        """Frames that a stream has not passed, reports refused, in doubt, or sought again."""
        return [
            self._number(query)
            for query in (
                "SELECT count(*) FROM frame WHERE seq > (SELECT min(cursor_seq) FROM stream)",
                "SELECT count(*) FROM set_aside",
                "SELECT count(*) FROM stream WHERE in_flight IS NOT NULL",
                "SELECT count(*) FROM second_look",
            )
        ]

    def close(self) -> None:
        self._engine.dispose()

    def _number(self, query: str) -> int:
        with self._engine.begin() as connection:
            if not inspect(connection).has_table("second_look", schema=self._schema):
                return 0
            return int(connection.execute(text(query)).scalar() or 0)


def in_front_of(vtn: EmbeddedVtn) -> FaultyVtn:
    """In this process: it goes on while the application is killed."""
    return FaultyVtn(
        behind=vtn.base_url,
        seed=1,
        clock=utc_now,
        unique_names=False,
        latest_s=4 * SETTLE_S,
        slow_s=1.5 * TIMEOUT_S,
    )


def at_faulty_vtn(faulty: FaultyVtn, folder: Path) -> Mapping[str, str]:
    """The settings of an application that reports there, in quick succession."""
    return {
        "VTN__BASE_URL": faulty.base_url,
        "VTN__CLIENT_ID": "{ven_name}",
        "VTN__CLIENT_SECRET": EmbeddedCredentials.of(folder / "vtn").ven_secret,
        "VTN__TIMEOUT_S": str(TIMEOUT_S),
        "DELIVERY__SETTLE_S": str(SETTLE_S),
        "TASKS__GENERATE_REPORTS__SECONDS": "0.1",
    }


def readings_at(vtn: EmbeddedVtn) -> Counter[tuple[str, str]]:
    """How often the VTN has each (resource, instant)."""
    found: Counter[tuple[str, str]] = Counter()
    seen = 0
    while reports := vtn.store.select("REPORT", skip=seen, limit=500):
        seen += len(reports)
        found.update(
            (resource["resourceName"], interval["intervalPeriod"]["start"])
            for report in reports
            for resource in report["resources"]
            for interval in resource["intervals"]
        )
    return found


def told_through(database_url: str) -> bool:
    """Whether all that came is told, and nothing is in doubt."""
    engine = make_engine(database_url)
    with engine.connect() as connection:
        left = [
            connection.execute(text(query)).scalar()
            for query in (
                "SELECT (SELECT newest_seq FROM measurement_state) - min(cursor_seq) FROM stream"
                " WHERE descriptor LIKE '%measured'",
                "SELECT count(*) FROM stream WHERE in_flight IS NOT NULL",
                "SELECT count(*) FROM set_aside",
                "SELECT count(*) FROM second_look",
            )
        ]
    engine.dispose()
    return left == [0, 0, 0, 0]


def is_asked(database_url: str) -> bool:
    """Whether an event asks for what meters measure."""
    engine = make_engine(database_url)
    with engine.connect() as connection:
        if not inspect(connection).has_table("stream"):
            return False
        query = text("SELECT count(*) FROM stream WHERE descriptor LIKE '%measured'")
        found = connection.execute(query).scalar()
    engine.dispose()
    return bool(found)
