"""This application at VTNs that others wrote, and its own VTN under a test suite of others.

    make interop
    python -m interop [openleadr] [openadr] [conformance] [sources] [orders]

openleadr: openleadr-vtn, with PostgreSQL and Mosquitto. openadr: the VTN of the crate `openadr`, on
SQLite, told by MQTT and then by webhooks. conformance: that crate's suite at the embedded VTN.
sources: Node-RED publishes what meters measure, and InfluxDB's clients write it. orders: Node-RED
is a device that takes them, and Home Assistant's own schemas read what it is told of. Says what is
missing in one line (exit code 2), or checks one thing after the other and ends with 1 at the first
that does not hold.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg

from app.vtn import EmbeddedCredentials
from interop import openadr_crate, openleadr, orders, sources
from interop.checks import NAMES, Missing, check
from tests.support.broker import Broker
from tests.support.certificates import make_certificate_of
from tests.support.postgres import Postgres
from tests.support.processes import Application
from tests.support.servers import free_port

DAY = timedelta(days=1)
MIN_PASSED = 38
"""Of 40 required checks; the others are about subscriptions of somebody who does not answer."""
ROOT = Path(__file__).parents[1] / ".interop"


def at_openleadr(directory: Path, stack: ExitStack) -> None:
    """The reference VTN of LF Energy."""
    program = openleadr.install(ROOT)
    postgres = Postgres(directory / "postgres")
    postgres.start()
    stack.callback(postgres.close)
    database = postgres.make_database().replace("postgresql+psycopg", "postgres")
    with psycopg.connect(database) as connection:
        openleadr.migrate(connection)
    broker = _broker(directory, stack)
    vtn = openleadr.OpenLeadr(program, directory, database=database, broker_port=broker.port)
    vtn.start()
    stack.callback(vtn.stop)
    vtn.add_client("bl", "bl-secret", openleadr.BUSINESS)
    for name in NAMES:
        vtn.add_client(f"ven-{name}", f"secret-{name}", openleadr.VEN)
    check(vtn, directory, stack)


def at_openadr(directory: Path, stack: ExitStack) -> None:
    """Strict about payloads; by MQTT, and in another run by webhooks."""
    program = openadr_crate.install(ROOT)
    broker = _broker(directory, stack)
    now = datetime.now(UTC)
    certificate = make_certificate_of(directory, begins=now - DAY, ends=now + DAY)
    callback_port = free_port()
    mqtt = ("--mqtt-broker", f"mqtt://127.0.0.1:{broker.port}")
    webhooks = {
        "CALLBACK__PUBLIC_URL": f"https://127.0.0.1:{callback_port}",
        "CALLBACK__PORT": str(callback_port),
        "CALLBACK__CERTIFICATE": str(certificate.certificate),
        "CALLBACK__KEY": str(certificate.key),
    }
    for name, options, settings in (
        ("mqtt", mqtt, {}),
        ("webhooks", ("--webhooks", "--webhook-allow-private"), webhooks),
    ):
        print(f" told by {name}")
        own = directory / name
        own.mkdir()
        vtn = openadr_crate.vtn(program, own, NAMES, *options, authority=certificate.certificate)
        vtn.start()
        stack.callback(vtn.stop)
        check(vtn, own, stack, settings)
        vtn.stop()


def conformance(directory: Path, stack: ExitStack) -> None:
    """All that the suite requires; what it calls an extension, the official file does not have."""
    program = openadr_crate.install(ROOT)
    broker = _broker(directory, stack)
    port = free_port()
    settings = {
        "DATA_DIR": str(directory / "data"),
        "VTN__EMBEDDED_PORT": str(port),
        "VTN__MQTT_URL": f"mqtt://127.0.0.1:{broker.port}",
    }
    vtn = Application("vtn", cwd=directory, settings=settings)
    stack.callback(vtn.kill)
    vtn.wait_for("notifications go to")
    secrets = EmbeddedCredentials.of(directory / "data" / "vtn")
    found = openadr_crate.conformance(
        program,
        f"http://127.0.0.1:{port}",
        bl=(secrets.bl_client_id, secrets.bl_client_secret),
        ven=("ven-of-others", secrets.ven_secret),
    )
    findings = found["findings"]
    for finding in findings:
        if finding["outcome"] != "passed":
            line = "  {severity} {outcome}: {id}: {detail}".format_map(finding)
            print(line)
    required = Counter(
        finding["outcome"] for finding in findings if finding["severity"] == "required"
    )
    print(f"  required: {', '.join(f'{count} {outcome}' for outcome, count in required.items())}")
    assert not required["failed"], f"{required['failed']} required checks failed"
    assert required["passed"] >= MIN_PASSED, f"only {required['passed']} required checks were made"


def at_sources(directory: Path, stack: ExitStack) -> None:
    """Node-RED, and the clients of InfluxDB 1 and 2."""
    sources.check(_broker(directory, stack), ROOT, directory, stack)


def of_orders(directory: Path, stack: ExitStack) -> None:
    """Node-RED as a device, and Home Assistant."""
    orders.check(_broker(directory, stack), ROOT, directory, stack)


def _broker(directory: Path, stack: ExitStack) -> Broker:
    if not (shutil.which("mosquitto") or Path("/usr/sbin/mosquitto").exists()):
        raise Missing("Mosquitto is missing (apt install mosquitto)")
    broker = Broker(directory / "broker", anonymous=True)
    broker.start()
    stack.callback(broker.stop)
    return broker


PARTS: dict[str, Callable[[Path, ExitStack], None]] = {
    "openleadr": at_openleadr,
    "openadr": at_openadr,
    "conformance": conformance,
    "sources": at_sources,
    "orders": of_orders,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    names = parser.parse_args().parts or list(PARTS)
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    os.environ["CI"] = "true"  # what is missing is a failure here, and nothing to be skipped
    for name in names:
        print(name, flush=True)
        try:
            with ExitStack() as stack:
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir="/tmp")))
                directory.chmod(0o755)
                PARTS[name](directory, stack)
        except Missing as missing:
            print(f"interop: {missing}")
            return 2
        except AssertionError as failure:
            print(f"interop: FAILED: {failure}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
