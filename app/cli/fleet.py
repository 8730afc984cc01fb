"""`fleet`: VENs and their resources."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from app.cli.bars import bars
from app.cli.help import AsJson, examples
from app.cli.terminal import show
from app.fleet import (
    THE_VEN,
    VEN,
    FleetFileError,
    Resource,
    Status,
    WholeFleet,
    read_fleet,
    sample_fleet,
    write_csv,
    write_json,
)
from app.openadr import normalized_name
from app.platform import EachShard
from app.readings import ReadingLog
from app.vens import Removal, Removals


@dataclass(frozen=True, kw_only=True)
class ShardTools:
    """What the commands work with, of one shard."""

    frames: ReadingLog
    enrol: Callable[[str], VEN]
    """Enrols a VEN, also where automatic enrolment has given it up. Raises VtnError."""
    removals: Removals
    try_run_lock: Callable[[], AbstractContextManager[bool]]
    """Yields whether no `run` is active, and keeps one from starting meanwhile."""


@dataclass(frozen=True, kw_only=True)
class FleetTools:
    """What the commands work with; `vens`, `resources_per_ven`: the default size of a sample."""

    repository: WholeFleet
    shards: EachShard[ShardTools]
    vens: int
    resources_per_ven: int


class FleetFormat(StrEnum):
    CSV = "csv"
    JSON = "json"


def make_fleet_cli(opened: Callable[[], AbstractContextManager[FleetTools]]) -> typer.Typer:
    """The commands; `opened` gives the tools, and closes what it opened."""
    cli = typer.Typer(rich_markup_mode=None, help="The fleet: VENs and their resources.")

    @cli.command(epilog=examples("ven-fleet fleet seed --vens 287 --resources-per-ven 46"))
    def seed(
        vens: Annotated[int | None, typer.Option(min=1, help="Default: FLEET__VENS.")] = None,
        resources_per_ven: Annotated[
            int | None, typer.Option(min=0, help="Default: FLEET__RESOURCES_PER_VEN.")
        ] = None,
        as_json: AsJson = False,
    ) -> None:
        """Add sample VENs, named after Danish towns.

        VENs that exist already stay as they are.
        """
        with opened() as tools:
            own = tools.resources_per_ven if resources_per_ven is None else resources_per_ven
            fleet = sample_fleet(vens=tools.vens if vens is None else vens, resources_per_ven=own)
            with bars() as bar, bar("storing", "resources") as progress:
                count = tools.repository.save(fleet, progress)
            result = {"vens": len(fleet), "new_resources": count}
            print(json.dumps(result) if as_json else f"{len(fleet)} VENs, {count} new resources")

    @cli.command(
        "import",
        epilog=examples(
            "ven-fleet fleet export > fleet.csv   # a file to begin with",
            "ven-fleet fleet import fleet.csv",
        ),
    )
    def import_(
        file: Annotated[Path, typer.Argument(help="A .csv or .json file.")],
        as_json: AsJson = False,
    ) -> None:
        """Add or change VENs and resources from a file.

        If a row is wrong, nothing is imported.
        """
        with opened() as tools:
            fleet = read_fleet(file)
            with bars() as bar, bar("storing", "resources") as progress:
                try:
                    count = tools.repository.save(fleet, progress)
                except ValueError as error:
                    raise FleetFileError(f"{file}: {error}") from None
            total = sum(len(resources) for resources in fleet.values())
            left_out = tools.repository.count_not_metered()
            result = {
                "vens": len(fleet),
                "resources": total,
                "new_resources": count,
                "not_metered": left_out,
            }
            words = f"{len(fleet)} VENs, {total} resources, {count} of them new"
            print(json.dumps(result) if as_json else words)
            if left_out and not as_json:
                print(
                    f"{left_out} resources of the fleet are not metered: their source is none;"
                    " give them one in the column source, see METERING__DEFAULT_SOURCE"
                )

    @cli.command(
        epilog=examples(
            "ven-fleet fleet enrol Aarhus   # again, where the VTN lost it",
            "ven-fleet fleet enrol          # all that are not enrolled",
        )
    )
    def enrol(
        ven: Annotated[
            list[str] | None, typer.Argument(help="VEN names. Default: all that are pending.")
        ] = None,
    ) -> None:
        """Enrol VENs at the VTN now.

        Also one that the VTN lost twice within a day, which is not enrolled again by itself.
        """
        with opened() as tools:
            known = {normalized_name(name): name for name in tools.repository.ven_names()}
            names = ven or [pending_ven.ven_name for pending_ven in tools.repository.pending_vens()]
            for name in names:
                if normalized_name(name) not in known:
                    raise typer.BadParameter(f"the fleet has no VEN {name!r}; see `fleet list`")
            for name in [known[normalized_name(each)] for each in names]:
                stored = tools.repository.ven(name)
                if stored is not None and stored.status is Status.REMOVED:
                    raise typer.BadParameter(f"VEN {name!r} is to be removed; import it again")
                enrolled = tools.shards.of(name).enrol(name)
                print(f"VEN {name} is enrolled: {enrolled.vtn_ven_id}")
            if not names:
                print("All VENs are enrolled.")

    @cli.command(
        epilog=examples(
            "ven-fleet fleet remove Aarhus                      # when its readings are delivered",
            "ven-fleet fleet remove Aarhus Aarhus-01-heat-pump  # one resource",
            "ven-fleet fleet remove Aarhus --yes --drop-owed    # at once",
        )
    )
    def remove(
        ven: Annotated[str, typer.Argument(help="A VEN by its name.")],
        resource: Annotated[
            str | None, typer.Argument(help="Resource name. Default: the whole VEN.")
        ] = None,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
        drop_owed: Annotated[
            bool,
            typer.Option(
                "--drop-owed", help="Do not wait: readings that are not delivered are lost."
            ),
        ] = False,
        keep_at_vtn: Annotated[
            bool, typer.Option("--keep-at-vtn", help="Leave its objects at the VTN as they are.")
        ] = False,
    ) -> None:
        """Take a VEN or a resource out of the fleet, and out of the VTN.

        Metering stops at once; the VEN or resource is removed when the readings that it owes are
        delivered.
        """
        with opened() as tools:
            removal = _resolve_removal(tools, ven, resource)
            removal = replace(removal, keep_at_vtn=keep_at_vtn, drop_owed=drop_owed)
            owed = tools.shards.of(removal.ven_name).removals.owed(removal)
        if not yes:
            typer.confirm(f"Remove {removal}? {_owed_notice(removal, owed)}", abort=True)
        with opened() as tools:  # again: a run may have delivered meanwhile
            shard = tools.shards.of(removal.ven_name)
            with shard.try_run_lock() as has_run_lock:
                owed = shard.removals.owed(removal)
                shard.removals.begin(removal)
                left = (
                    shard.removals.settle(alone=True) if has_run_lock else shard.removals.pending()
                )
            is_left = _is_pending(removal, left)
            print(_removal_message(removal, owed, is_left=is_left, has_run_lock=has_run_lock))

    @cli.command(epilog=examples("ven-fleet fleet export --format json > fleet.json"))
    def export(
        format_: Annotated[
            FleetFormat, typer.Option("--format", help="What `fleet import` reads back.")
        ] = FleetFormat.CSV,
    ) -> None:
        """Print the fleet in a form that `fleet import` reads."""
        with opened() as tools:
            vens = [
                stored for stored in tools.repository.vens() if stored.status is not Status.REMOVED
            ]
            fleet: dict[str, list[Resource]] = {ven.ven_name: [] for ven in vens}
            for ven_name, resource in tools.repository.resources():
                if resource.status is not Status.REMOVED:
                    fleet[ven_name].append(resource)
            write = write_csv if format_ is FleetFormat.CSV else write_json
            print(write(fleet), end="")

    @cli.command(
        "list",
        epilog=examples(
            "ven-fleet fleet list",
            "ven-fleet fleet list --json | jq '.[] | select(.status != \"APPROVED\")'",
        ),
    )
    def list_(as_json: AsJson = False) -> None:
        """The VENs, with their resources and their last power."""
        with opened() as tools:
            _list(tools, as_json=as_json)

    return cli


def _resolve_removal(tools: FleetTools, ven_name: str, resource_name: str | None) -> Removal:
    """The removal of these, as the fleet spells their names. BadParameter: it has no such one."""
    known = _match_name(ven_name, tools.repository.ven_names())
    if known is None:
        raise typer.BadParameter(f"the fleet has no VEN {ven_name!r}; see `fleet list`")
    if resource_name is None:
        return Removal(ven_name=known)
    own = [stored.resource_name for _, stored in tools.repository.resources(known)]
    resource = _match_name(resource_name, own)
    if resource is None:
        raise typer.BadParameter(f"VEN {known!r} has no resource {resource_name!r}")
    return Removal(ven_name=known, resource_name=resource)


def _match_name(name: str, names: Sequence[str]) -> str | None:
    """The one of these with that name, exactly or after normalisation; None: there is none."""
    if name in names:
        return name
    return next((known for known in names if normalized_name(known) == normalized_name(name)), None)


def _owed_notice(removal: Removal, owed: int) -> str:
    """What happens to the readings that it owes, for the question."""
    if removal.resource_name != THE_VEN:
        if removal.drop_owed:
            return "Its readings that are owed may be missing in the reports of its VEN."
        return "Its readings that are owed go with the reports of its VEN first."
    if not owed:
        return "It owes no readings."
    if removal.drop_owed:
        return f"{owed} readings that are owed will be lost."
    return f"{owed} readings that are owed are delivered first."


def _removal_message(removal: Removal, owed: int, *, is_left: bool, has_run_lock: bool) -> str:
    """The outcome, in words."""
    lost = owed if removal.drop_owed and removal.resource_name == THE_VEN else 0
    losses = f"; {lost} readings that were owed are lost" if lost else ""
    if not is_left:
        return f"{removal} is removed{losses}"
    who = "the next run" if has_run_lock else "the active run"
    first = " when what it owes is delivered" if owed and not removal.drop_owed else ""
    return f"{removal} is no longer metered; {who} will remove it{first}{losses}"


def _is_pending(removal: Removal, left: Sequence[Removal]) -> bool:
    return (removal.ven_name, removal.resource_name) in {
        (removal.ven_name, removal.resource_name) for removal in left
    }


def _list(tools: FleetTools, *, as_json: bool) -> None:
    summaries = tools.repository.summaries()
    power_kw: dict[str, float] = {}
    for shard in tools.shards:
        frame = shard.frames.last()
        power_kw |= {} if frame is None else frame.total_kw()
    if as_json:
        rows = [
            {
                "ven_name": summary.ven.ven_name,
                "status": summary.ven.status.value,
                "vtn_ven_id": summary.ven.vtn_ven_id,
                "resources": summary.resources,
                "approved": summary.approved,
                "power_kw": power_kw.get(summary.ven.ven_name),
            }
            for summary in summaries
        ]
        print(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    table = Table("VEN", "status", "id at the VTN", "resources", "approved", "kW")
    for summary in summaries:
        table.add_row(
            summary.ven.ven_name,
            summary.ven.status.value,
            summary.ven.vtn_ven_id or "",
            str(summary.resources),
            str(summary.approved),
            f"{power_kw[summary.ven.ven_name]:.1f}" if summary.ven.ven_name in power_kw else "",
        )
    show(table if summaries else "The fleet is empty; see `fleet seed` and `fleet import`.")
