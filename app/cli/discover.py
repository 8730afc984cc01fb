"""`discover`: VTNs on the local network."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table

from app.cli.help import AsJson
from app.cli.terminal import show
from app.openadr import discover

Seconds = Annotated[float, typer.Option("--seconds", min=0.1, max=60, help="How long to listen.")]
Interface = Annotated[
    list[str] | None,
    typer.Option("--interface", help="An address of this machine to listen on. Default: all."),
]


def discover_vtns(
    seconds: Seconds = 3.0,
    interface: Interface = None,
    as_json: AsJson = False,
) -> None:
    """Find VTNs that announce themselves on the local network.

    By mDNS, as _openadr3._tcp.
    """
    try:
        vtns = discover(for_s=seconds, interfaces=interface or ())
    except OSError as error:
        typer.echo(f"error: the network cannot be listened to: {error.strerror or error}", err=True)
        raise typer.Exit(1) from None
    if as_json:
        print(json.dumps([asdict(vtn) for vtn in vtns], indent=1))
        return
    if not vtns:
        print(f"No VTN announced itself within {seconds:g} s.")
        return
    table = Table("VTN", "version", "VTN__BASE_URL", "addresses", "credentials")
    for vtn in vtns:
        needs = {True: "needed", False: "none", None: ""}[vtn.requires_auth]
        table.add_row(vtn.name, vtn.version, vtn.url, ", ".join(vtn.addresses), needs)
    show(table)
