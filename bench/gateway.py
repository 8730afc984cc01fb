"""Readings that are posted to a gateway and stored by two shards, beside one process that does all.

    python -m bench.gateway

The gateway, its two shards and two clients share the cores.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from bench import child, intake
from bench.intake import container_in, metered, write_sources
from bench.posting import BATCH, CLIENTS, SHAPES, posted
from bench.rows import Row, table
from tests.support.servers import free_port

SHARDS = 2
FORMS = ("JSON", "NDJSON")
BATCHES = 100
ROUNDS = 5


@contextmanager
def shards(directory: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """A process for each, which takes what is handed on to it until the block ends."""
    made = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "bench.gateway",
                orjson.dumps({"directory": str(directory), "shard": number}).decode(),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        for number in range(SHARDS)
    ]
    for process in made:
        assert process.stdout is not None
        process.stdout.readline()  # it takes readings
    yield made
    for process in made:
        process.communicate()


def through_a_gateway(form: str, *, batches: int) -> float:
    """Measurements taken per second, from the first request to the last answer."""
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        write_sources(directory)
        with shards(directory) as processes:
            settings: dict[str, Any] = {"fleet": {"shards": SHARDS}, "intake": {"port": port}}
            container = container_in(directory, **settings)
            server = container.intake.gateway_server()
            server.start()
            passed_s = posted(form, SHAPES[0], batches=batches, port=port)
            server.close()
            container.platform.shard_client().close()
            taken = 0
            for process in processes:
                said, _ = process.communicate("")
                taken += int(orjson.loads(said)["taken"])
    assert taken == CLIENTS * batches * BATCH, f"{taken} were taken"
    return taken / passed_s


def rows(*, rounds: int = ROUNDS) -> list[Row]:
    """Per form, in turn with one process, and the ratio of neighbouring rounds."""
    made = []
    for form in FORMS:
        found: list[float] = []
        ratios: list[float] = []
        for _ in range(rounds):
            alone = intake.over_http(form, SHAPES[0], batches=BATCHES)
            found.append(through_a_gateway(form, batches=BATCHES))
            ratios.append(found[-1] / alone)
        section = f"readings through a gateway, {SHAPES[0]}, {form}"
        made += [
            Row(section=section, name="two shards behind it", values=found, unit="measurements/s"),
            Row(section=section, name="ratio to one process", values=ratios, unit=""),
        ]
    return made


def main() -> None:
    given = child.given()
    fleet = {"shards": SHARDS, "shard": given["shard"]}
    container = container_in(Path(given["directory"]), fleet=fleet)
    container.platform.endpoint().listen()
    container.platform.owner().acquire()
    container.platform.endpoint().open(container.platform.owner().epoch)
    repository = container.fleet.repository()
    repository.save(repository.own(metered()))
    container.intake.server().start()
    child.answer({})
    sys.stdin.read()
    child.answer({"taken": container.intake.stats().of("plant").taken})
    container.platform.endpoint().close()
    container.platform.owner().release()
    container.platform.database().close()


if __name__ == "__main__":
    main() if len(sys.argv) > 1 else print(table(rows()))
