"""`fleet opt-out`, `opt-in`, `release` and `resume`: who takes part in events."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC
from typing import Annotated

import typer

from app.cli.help import examples
from app.fleet import EVERYBODY, THE_VEN, WholeFleet
from app.openadr import WireError, normalized_name, read_instant
from app.ops import OperatorActions
from app.platform import EachShard

Ven = Annotated[str, typer.Argument(help="A VEN by its name.")]
MaybeVen = Annotated[str | None, typer.Argument(help="VEN name. Default: the whole fleet.")]
MaybeResource = Annotated[str | None, typer.Argument(help="Resource name. Default: the whole VEN.")]


@dataclass(frozen=True, kw_only=True)
class ParticipationTools:
    """What the commands work with."""

    repository: WholeFleet
    shards: EachShard[OperatorActions]

    def of(self, ven_name: str) -> list[OperatorActions]:
        """Where what is asked of a VEN, or of everybody, is to be done."""
        return list(self.shards) if ven_name == EVERYBODY else [self.shards.of(ven_name)]


def add_participation_commands(
    cli: typer.Typer, opened: Callable[[], AbstractContextManager[ParticipationTools]]
) -> None:
    """To `fleet`; `opened` gives the tools, and closes what it opened."""

    @cli.command(
        "opt-out",
        epilog=examples(
            "ven-fleet fleet opt-out Aarhus                      # all that it has, and will have",
            "ven-fleet fleet opt-out Aarhus heat-pump --until 2026-06-01T18:00:00Z",
        ),
    )
    def opt_out(
        ven: Ven,
        resource: MaybeResource = None,
        until: Annotated[
            str | None, typer.Option(help="When it ends by itself, such as 2026-06-01T18:00:00Z.")
        ] = None,
        reason: Annotated[str, typer.Option(help="For the page and the audit log.")] = "",
    ) -> None:
        """Take a VEN or a resource out of all events.

        What its devices are asked for is released, and the VTN is told that nothing of it can be
        moved, until `fleet opt-in`. What a device has opted out of, only the device opts in to.
        """
        with opened() as tools:
            ven_name, resource_name = _named(tools, ven, resource)
            try:
                ends = None if until is None else read_instant(until).astimezone(UTC)
                tools.shards.of(ven_name).opt_out(
                    _who(), ven_name, resource_name, reason=reason, until=ends
                )
            except (WireError, ValueError) as error:
                raise typer.BadParameter(f"--until: {error}") from None
            print(f"{_words(ven_name, resource_name)} is opted out")

    @cli.command("opt-in", epilog=examples("ven-fleet fleet opt-in Aarhus heat-pump"))
    def opt_in(ven: Ven, resource: MaybeResource = None) -> None:
        """Let a VEN or a resource take part again."""
        with opened() as tools:
            ven_name, resource_name = _named(tools, ven, resource)
            ended = tools.shards.of(ven_name).opt_in(_who(), ven_name, resource_name)
            words = _words(ven_name, resource_name)
            print(f"{words} takes part again" if ended else f"{words} was not opted out here")

    @cli.command(
        epilog=examples(
            "ven-fleet fleet release          # everything, at once",
            "ven-fleet fleet release Aarhus",
        )
    )
    def release(ven: MaybeVen = None, resource: MaybeResource = None) -> None:
        """End the orders to devices at once.

        None is given until `fleet resume`.
        """
        with opened() as tools:
            ven_name, resource_name = _named(tools, ven, resource)
            for actions in tools.of(ven_name):
                actions.release_orders(_who(), ven_name, resource_name)
            print(f"{_words(ven_name, resource_name)} is given no orders until `fleet resume`")

    @cli.command(epilog=examples("ven-fleet fleet resume"))
    def resume(ven: MaybeVen = None, resource: MaybeResource = None) -> None:
        """Give orders again, after `fleet release`."""
        with opened() as tools:
            ven_name, resource_name = _named(tools, ven, resource)
            ended = 0
            for actions in tools.of(ven_name):
                ended += actions.resume_orders(_who(), ven_name, resource_name)
            words = _words(ven_name, resource_name)
            print(f"{words} is given orders again" if ended else f"{words} was not released")


def _named(
    tools: ParticipationTools, ven_name: str | None, resource_name: str | None
) -> tuple[str, str]:
    """As the fleet spells them. BadParameter: it has no such one."""
    if ven_name is None:
        return EVERYBODY, THE_VEN
    spelled = {normalized_name(name): name for name in tools.repository.ven_names()}
    known = spelled.get(normalized_name(ven_name))
    if known is None:
        raise typer.BadParameter(f"the fleet has no VEN {ven_name!r}; see `fleet list`")
    if resource_name is None:
        return known, THE_VEN
    own = {
        normalized_name(each.resource_name): each.resource_name
        for _, each in tools.repository.resources(known)
    }
    found = own.get(normalized_name(resource_name))
    if found is None:
        raise typer.BadParameter(f"VEN {known!r} has no resource {resource_name!r}")
    return known, found


def _words(ven_name: str, resource_name: str) -> str:
    if not ven_name:
        return "the fleet"
    return f"VEN {ven_name}" + (f", resource {resource_name!r}" if resource_name else "")


def _who() -> str:
    return f"command line, {getpass.getuser()}"
