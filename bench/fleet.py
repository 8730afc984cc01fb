"""The fleets and the VTN that benchmarks share."""

from __future__ import annotations

import http.client
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import text

from app.fleet import Resource, Status, sample_fleet
from app.openadr import Event, read_event
from app.settings.model import Settings
from bench.sink import EVENTS
from containers import Container

VENS_AT_ONCE = 1_000


class Sink:
    """The sink's process, and what it has counted.

    `delay_ms`: how late it answers. `tls`: its certificate, which is its own authority, and key.
    `shows`: how many vens it has from the beginning, resources of each, and sets of targets.
    """

    def __init__(
        self,
        *,
        delay_ms: float = 0.0,
        tls: tuple[Path, Path] | None = None,
        is_short: bool = False,
        shows: tuple[int, int, int] | None = None,
    ) -> None:
        how = [] if tls is None else ["--certificate", str(tls[0]), "--key", str(tls[1])]
        how += ["--short"] if is_short else []
        how += [] if shows is None else ["--shows", *map(str, shows)]
        self._context = None if tls is None else ssl.create_default_context(cafile=tls[0])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.sink", "--delay-ms", str(delay_ms), *how],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.base_url = f"http{'' if tls is None else 's'}://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, Any]:
        connection = (
            http.client.HTTPConnection("127.0.0.1", self.port)
            if self._context is None
            else http.client.HTTPSConnection("127.0.0.1", self.port, context=self._context)
        )
        connection.request("GET", "/counts")
        counts: dict[str, Any] = orjson.loads(connection.getresponse().read())
        connection.close()
        return counts

    def close(self) -> None:
        self._process.communicate("")


@contextmanager
def sink(**how: Any) -> Iterator[Sink]:
    """`how`: see Sink."""
    made = Sink(**how)
    try:
        yield made
    finally:
        made.close()


@dataclass(frozen=True)
class Shape:
    """How large a fleet is."""

    vens: int
    resources_per_ven: int

    @property
    def resources(self) -> int:
        return self.vens * self.resources_per_ven

    def __str__(self) -> str:
        return f"{self.vens:,} VENs x {self.resources_per_ven:,}"


def container_of(base_url: str, directory: Path, **settings: Any) -> Container:
    """The application's real components, with the sink as their VTN."""
    vtn = {"base_url": base_url, "bearer_token": "bench", "push": "off", **settings.pop("vtn", {})}
    container = Container()
    container.settings.override(Settings(data_dir=directory, vtn=vtn, **settings))
    return container


def save_enrolled(container: Container, sample: Mapping[str, Sequence[Resource]]) -> None:
    """A fleet that counts as enrolled: v0, v1 and so on, by name."""
    container.fleet.repository().save(
        {
            name: [replace(resource, status=Status.APPROVED) for resource in resources]
            for name, resources in sample.items()
        }
    )
    with container.platform.database().write() as connection:
        connection.execute(text("UPDATE ven SET status = 'APPROVED'"))
        connection.execute(
            text("UPDATE ven SET vtn_ven_id = :vtn_ven_id WHERE ven_name = :ven_name"),
            [
                {"ven_name": name, "vtn_ven_id": f"v{number}"}
                for number, name in enumerate(sorted(sample))
            ],
        )


def seed(container: Container, shape: Shape, events: Sequence[Event] | None = None) -> None:
    """A sample fleet that is enrolled, and knows what it is asked: these, or the sink's event."""
    sample = sample_fleet(vens=shape.vens, resources_per_ven=shape.resources_per_ven)
    save_enrolled(container, sample)
    names = list(sample)
    for event in events or map(read_event, EVENTS):
        for start in range(0, len(names), VENS_AT_ONCE):
            pushed = [(name, event) for name in names[start : start + VENS_AT_ONCE]]
            container.ven_manager().take_events(pushed)


@contextmanager
def fleet(
    shape: Shape,
    base_url: str,
    directory: Path,
    *,
    prepare: Callable[[Container], None] = lambda _: None,
    **settings: Any,
) -> Iterator[Container]:
    """A seeded fleet; `prepare`: what is different about its container."""
    container = container_of(base_url, directory, **settings)
    prepare(container)
    seed(container, shape)
    yield container
    container.openadr.http().close()
    container.platform.database().close()
