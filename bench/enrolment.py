"""How fast a fleet is made known to a VTN that has none of it, and found again.

python -m bench.enrolment
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from app.fleet import sample_fleet
from bench.fleet import Shape, Sink, container_of, sink
from bench.rows import Row, table

SHAPE = Shape(287, 46)
CONNECTIONS = 10
ROUNDS = 3


def enrol(shape: Shape, vtn: Sink, directory: Path) -> float:
    """Seconds, from a fleet in the database to all that it is asked."""
    settings = {"vtn": {"max_connections": CONNECTIONS}}
    container = container_of(vtn.base_url, directory, **settings)
    container.fleet.repository().save(
        sample_fleet(vens=shape.vens, resources_per_ven=shape.resources_per_ven)
    )
    manager = container.ven_manager()
    began_s = time.perf_counter()
    result = manager.enrol()
    took_s = time.perf_counter() - began_s
    assert len(result.enrolled) == shape.vens
    container.openadr.http().close()
    container.platform.database().close()
    return took_s


def rows(shape: Shape = SHAPE, *, rounds: int = ROUNDS) -> list[Row]:
    """Cold and warm."""
    cold, warm = [], []
    for _ in range(rounds):
        with sink() as vtn, tempfile.TemporaryDirectory() as directory:
            cold.append(shape.resources / enrol(shape, vtn, Path(directory)))
            created = vtn.counts()["objects"]
            assert created == shape.vens + shape.resources
            warm.append(enrol(shape, vtn, Path(directory)))
            assert vtn.counts()["objects"] == created, "a warm start creates nothing"
    section = f"enrolment, {shape}"
    return [
        Row(section=section, name="cold", values=cold, unit="resources/s", goal=">= 1,500"),
        Row(section=section, name="warm, no POST", values=warm, unit="s", goal="< 5"),
    ]


if __name__ == "__main__":
    print(table(rows()))
