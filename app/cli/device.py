"""`check-device`: whether a device keeps the device contract."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import requests
import typer

from app.actuation import MIN_VALID_FOR, encoded, filled
from app.device_check import (
    Checks,
    Finding,
    HttpLink,
    Link,
    LinkError,
    MqttLink,
    connection_findings,
)
from app.openadr import BrokerAddress
from app.platform import TextFileError, iso_duration, read_text, utc_now

WAITS_FOR_DEVICE_S = 60.0
MAX_CHECKED = timedelta(minutes=2)
"""With a longer `valid_for`, the check takes too long for anybody to wait."""


def check_device(
    ven: Annotated[str, typer.Argument(help="The VEN's name in the device's topic or URL.")],
    resource: Annotated[str, typer.Argument(help="The resource's name there.")],
    broker: Annotated[
        str | None,
        typer.Option(help="The broker that the device is to use, such as mqtt://127.0.0.1:1883."),
    ] = None,
    listen: Annotated[
        str, typer.Option(help="Where the device connects instead; it is passed on to the broker.")
    ] = "127.0.0.1:1884",
    prefix: Annotated[str, typer.Option(help="Of its topics.")] = "ven-fleet",
    username: Annotated[str | None, typer.Option(help="Of the fleet, at the broker.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="With its password.")] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Instead of a broker: where orders are posted, with {ven}, {resource}."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="With the token that the device wants of the fleet.")
    ] = None,
    valid_for: Annotated[
        str, typer.Option(help="What the device is set up with, from PT8S to PT2M.")
    ] = "PT16S",
    setpoint: Annotated[float, typer.Option(help="What it is asked for, kW.")] = 0.0,
) -> None:
    """Try the device contract at a device of yours.

    Each of its sentences, but for the owner's veto. The device is asked for --setpoint again and
    again.
    """
    valid_for_s = _valid_for(valid_for).total_seconds()
    if (broker is None) == (url is None):
        raise _wrong("say either --broker or --url")
    try:
        if url is not None:
            found = _over_http(url, ven, resource, _secret(token_file), valid_for_s, setpoint)
        else:
            found = _over_mqtt(
                topic=f"{prefix}/{encoded(ven)}/{encoded(resource)}",
                listen=_address(listen, "--listen"),
                broker=_address(str(broker), "--broker"),
                login=(username, _secret(password_file)),
                valid_for_s=valid_for_s,
                setpoint_kw=setpoint,
            )
        failed = _tell(found)
    except (TextFileError, LinkError) as error:
        raise _wrong(str(error)) from None
    if failed:
        raise typer.Exit(1)


def _over_http(
    url: str,
    ven: str,
    resource: str,
    token: str | None,
    valid_for_s: float,
    setpoint_kw: float,
) -> Iterator[Finding]:
    where = filled(url, ven, resource)
    link = HttpLink(
        where,
        headers={} if token is None else {"Authorization": f"Bearer {token}"},
        session=requests.Session(),
        timeout_s=valid_for_s / 2,
    )
    print(f"Orders are posted to {where}", flush=True)
    for finding in _run(link, valid_for_s, setpoint_kw):
        yield finding if finding.holds or not link.problem else finding.because(link.problem)


def _over_mqtt(
    *,
    topic: str,
    listen: tuple[str, int],
    broker: tuple[str, int],
    login: tuple[str | None, str | None],
    valid_for_s: float,
    setpoint_kw: float,
) -> Iterator[Finding]:
    with _link(topic, listen, broker, login) as link:
        where = f"{listen[0]}:{link.port}"
        print(f"Waiting for the device at {where}; its orders: {topic}/desired", flush=True)
        if not link.is_back(within_s=WAITS_FOR_DEVICE_S):
            seen = link.problem or f"not in {WAITS_FOR_DEVICE_S:g} s"
            yield Finding("it subscribes to its orders", False, seen)
            return
        yield from _run(link, valid_for_s, setpoint_kw)
        link.seen.ended(link.monotonic())
        yield from connection_findings(link.seen, valid_for_s)


@contextmanager
def _link(
    topic: str,
    listen: tuple[str, int],
    broker: tuple[str, int],
    login: tuple[str | None, str | None],
) -> Iterator[MqttLink]:
    try:
        link = MqttLink(
            topic=topic,
            listen=listen,
            broker=broker,
            username=login[0],
            password=login[1],
        )
    except OSError as error:
        raise _wrong(f"{listen[0]}:{listen[1]} or the broker: {error.strerror or error}") from None
    try:
        yield link
    finally:
        link.close()


def _run(link: Link, valid_for_s: float, setpoint_kw: float) -> Iterator[Finding]:
    checks = Checks(
        link,
        valid_for_s=valid_for_s,
        patience_s=valid_for_s / 8,
        setpoint_kw=setpoint_kw,
        clock=utc_now,
    )
    print(f"It takes about {checks.lasts_s:.0f} s.", flush=True)
    yield from checks.run()


def _tell(findings: Iterable[Finding]) -> int:
    """A line each, and how many did not hold."""
    told = failed = 0
    for finding in findings:
        told += 1
        failed += not finding.holds
        line = f"ok      {finding.sentence}" if finding.holds else f"FAILED  {finding.sentence}"
        print(line if finding.holds else f"{line}: {finding.seen}", flush=True)
    print(f"{told - failed} of {told} hold.")
    return failed


def _valid_for(text: str) -> timedelta:
    try:
        valid_for = iso_duration(text)
    except ValueError as error:
        raise _wrong(f"--valid-for: {error}") from None
    if not MIN_VALID_FOR <= valid_for <= MAX_CHECKED:
        raise _wrong("--valid-for: is not from PT8S to PT2M")
    return valid_for


def _address(text: str, option: str) -> tuple[str, int]:
    try:
        address = BrokerAddress.of(text if "://" in text else f"mqtt://{text}")
    except ValueError:
        address = None
    if address is None or address.tls:
        raise _wrong(f"{option}: {text[:80]!r} is no host and port, such as 127.0.0.1:1884")
    return address.host, address.port


def _secret(file: Path | None) -> str | None:
    return None if file is None else read_text(file, private=True).strip()


def _wrong(what: str) -> typer.Exit:
    typer.echo(f"error: {what}", err=True)
    return typer.Exit(2)
