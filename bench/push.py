"""How long an event takes from its creation at the VTN to the simulators of all VENs.

    python -m bench.push

The VTN, a fleet and Mosquitto (or webhooks over TLS) on one machine. A tick that begins when an
event has arrived follows it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from app.fleet import Resource, sample_fleet
from app.settings.model import Settings
from app.vtn import Callbacks, EmbeddedVtn
from app.vtn.callbacks import anywhere
from containers import Container
from tests.support.broker import Broker
from tests.support.certificates import make_certificate
from tests.support.servers import free_port

EVENTS = 20
RESOURCES_PER_VEN = 2
MAX_WAIT_S = 60.0
QUIET_S = 1.5


@contextmanager
def fleet(
    kind: str, members: Mapping[str, Sequence[Resource]], directory: Path, *, actuators: str = ""
) -> Iterator[Container]:
    """An enrolled fleet for which push of this kind works.

    `actuators`: the file of sources, with {port} where that of the broker belongs.
    """
    port, heard_at = free_port(), free_port()
    certificate = make_certificate(directory)
    broker = Broker(directory / "broker", anonymous=True) if kind == "MQTT" else None
    if broker is not None:
        broker.start()
    vtn = EmbeddedVtn(
        directory=directory / "data" / "vtn",
        port=port,
        callbacks=Callbacks(verify_tls=certificate.certificate, allows=anywhere),
        broker_url=None if broker is None else broker.url,
    )
    vtn.start()
    sources = directory / "sources.toml"
    sources.write_text(actuators.format(port=None if broker is None else broker.port))
    callback: dict[str, Any] = {
        "public_url": f"https://127.0.0.1:{heard_at}",
        "port": heard_at,
        "certificate": certificate.certificate,
        "key": certificate.key,
    }
    container = Container()
    container.settings.override(
        Settings(
            data_dir=directory / "data",
            sources_file=sources,
            vtn={"embedded_port": port},
            callback={} if kind == "MQTT" else callback,
            ops={"enabled": False},
        )
    )
    container.fleet.repository().save(members)
    container.ven_manager().enrol()
    push = container.push.service()
    push.start()
    try:
        _until(lambda: container.vens.push_trust().count() == len(members))
        yield container
    finally:
        container.platform.shutdown().set()
        push.close()
        container.openadr.http().close()
        container.platform.database().close()
        vtn.close()
        if broker is not None:
            broker.stop()


def _is_over(container: Container, is_known: Callable[[], bool]) -> bool:
    return not is_known() and not container.vens.poll_plan().asked()


def latencies_s(container: Container, events: int) -> list[float]:
    """Of each event: from the VTN's answer to its creation until the last VEN has it."""
    business, store = container.openadr.business_logic(), container.events.store()
    names = container.ven_manager().enrolled
    found = []
    for _ in range(events):
        event = business.send(kind="SIMPLE", value="1", start=datetime.now(UTC), duration="PT10M")
        created_s = time.perf_counter()

        def is_known(event_id: str = event["id"]) -> bool:
            return all(
                any(seen.event.event_id == event_id for seen in store.of_ven(name))
                for name in names
            )

        _until(is_known)
        found.append(time.perf_counter() - created_s)
        business.delete(event["id"])
        _until(partial(_is_over, container, is_known))
        threading.Event().wait(QUIET_S)  # each VEN has asked whether it is gone: that is over
    return found


def row(kind: str, vens: int, events: int) -> str:
    """One line of the table."""
    members = sample_fleet(vens=vens, resources_per_ven=RESOURCES_PER_VEN)
    with (
        tempfile.TemporaryDirectory(prefix="bench-push-") as directory,
        fleet(kind, members, Path(directory)) as container,
    ):
        found = latencies_s(container, events)
    median, longest = statistics.median(found), max(found)
    return f"{kind:10}{vens:6} VENs{median * 1000:10.0f} ms{longest * 1000:10.0f} ms"


def _until(holds: Callable[[], bool]) -> None:
    pause, ends_s = threading.Event(), time.monotonic() + MAX_WAIT_S
    while not holds():
        if time.monotonic() > ends_s:
            raise TimeoutError("push brings nothing")
        pause.wait(0.002)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=EVENTS)
    events = arguments.parse_args().events
    print(f"{'from creation to all VENs':26}{'median':>9}{'longest':>13}")
    for kind, vens in (("MQTT", 10), ("MQTT", 287), ("webhooks", 10)):
        print(row(kind, vens, events), flush=True)


if __name__ == "__main__":
    main()
