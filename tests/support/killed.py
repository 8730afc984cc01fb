"""An application that is killed, and a VTN in front of which faults stand meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import inspect, text

from app.platform import make_engine, utc_now
from app.vtn import EmbeddedCredentials, EmbeddedVtn
from tests.support.faulty_vtn import FaultyVtn

SETTLE_S = 0.25
TIMEOUT_S = 2.0


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
