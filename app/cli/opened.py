"""What commands work with: the objects of each shard, from its container."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.cli.failures import report_expected_errors
from app.cli.fleet import FleetTools, ShardTools
from app.cli.participation import ParticipationTools
from app.cli.readings_tools import ReadingsTools, StoredReadings
from app.cluster.resharding import FileStores, Reshard, ReshardError, SchemaMoves, SchemaStores
from app.fleet import WholeFleet
from app.intake import Meters, write_parquet
from app.observability import configure_logging
from app.openadr import BusinessLogic
from app.platform import THE_FLEET, DatabaseError, EachShard, Shard
from app.reporting.delivery import RejectedReports
from app.settings import Settings
from containers import Container


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """All of it: what commands see."""

    settings: Settings
    shards: EachShard[Container]

    @property
    def repository(self) -> WholeFleet:
        """Its VENs and resources."""
        return WholeFleet(
            self.shards.map(lambda container: container.fleet.repository()),
            default_source=self.settings.default_source,
        )

    @property
    def any_shard(self) -> Container:
        """For what is the same in all of them."""
        return self.shards[0]


def make_container() -> Container:
    """The container. SettingsError for what is no setting, of a task that is none, too."""
    container = Container()
    container.settings().refuse_unknown_tasks(container.scheduled_tasks.kwargs)
    return container


def make_shard(settings: Settings) -> Container:
    """The container of one shard."""
    container = Container()
    container.settings.override(settings)
    return container


@contextmanager
def wired() -> Iterator[Fleet]:
    """The container of each shard, with logging as the settings say."""
    with report_expected_errors():
        settings = make_container().settings()
        configure_logging(level=settings.log.level, format_=settings.log.format)
        of_each = settings.of_each_shard()
        shards = EachShard(len(of_each), lambda number: make_shard(of_each[number]))
        try:
            yield Fleet(settings=settings, shards=shards)
        finally:
            for container in shards.made():
                container.platform.database().close()


@contextmanager
def opened_rejected_reports() -> Iterator[EachShard[RejectedReports]]:
    """The rejected reports of each shard."""
    with wired() as fleet:
        databases = [container.platform.database() for container in fleet.shards]
        if not any(each.file is None or each.file.exists() for each in databases):
            raise DatabaseError(f"there is no database {databases[0].name}; see DATA_DIR")
        yield fleet.shards.map(lambda container: container.streams.rejected())


@contextmanager
def opened_business_logic() -> Iterator[BusinessLogic]:
    """A business-logic client of the settings' VTN."""
    with wired() as fleet:
        yield fleet.any_shard.openadr.business_logic()


@contextmanager
def opened_fleet() -> Iterator[FleetTools]:
    """The fleet in all of its shards."""
    with wired() as fleet:
        yield FleetTools(
            repository=fleet.repository,
            shards=fleet.shards.map(_shard_tools),
            vens=fleet.settings.fleet.vens,
            resources_per_ven=fleet.settings.fleet.resources_per_ven,
        )


def _shard_tools(container: Container) -> ShardTools:
    return ShardTools(
        frames=container.readings.log(),
        enrol=container.fleet.lost_objects().enrol_by_hand,
        removals=container.vens.removals(),
        try_run_lock=container.platform.owner().alone,
    )


@contextmanager
def opened_participation() -> Iterator[ParticipationTools]:
    """Who takes part, in all shards."""
    with wired() as fleet:
        yield ParticipationTools(
            repository=fleet.repository,
            shards=fleet.shards.map(lambda container: container.ops.actions()),
        )


@contextmanager
def opened_reshard() -> Iterator[Reshard]:
    """Cuts the stores of the fleet."""
    with report_expected_errors():
        container = make_container()
        settings = container.settings()
        configure_logging(level=settings.log.level, format_=settings.log.format)
        if settings.vtn.uses_embedded:
            raise ReshardError(
                "the VTN is embedded in the one process of the fleet: name another one with"
                " VTN__BASE_URL first"
            )
        url = settings.server_url

        if settings.database.url is not None and url is None:
            raise ReshardError(
                "the store is the SQLite file of DATABASE__URL, and shards have files in DATA_DIR;"
                " move it to fleet.db there, and leave DATABASE__URL blank"
            )

        @contextmanager
        def alone(shard: Shard) -> Iterator[Callable[[], str | None] | None]:
            platform = make_shard(settings.of_shard(shard)).platform
            owner, fence = platform.owner(), platform.fence()

            def lost() -> str | None:
                not_known = f"whether shard {shard.number} is run is not known"
                return owner.lost() or (None if fence.is_certain() else not_known)

            try:
                with owner.alone() as nobody_runs:
                    if nobody_runs:
                        platform.database().open()
                    yield lost if nobody_runs else None
            finally:
                platform.database().close()

        files = FileStores(settings.data_dir)
        yield Reshard(
            registry=make_shard(settings.of_shard(THE_FLEET)).platform.registry(),
            stores=files if url is None else SchemaStores(url),
            moves=(lambda _: files) if url is None else SchemaMoves,
            alone=alone,
        )


@contextmanager
def opened_readings() -> Iterator[ReadingsTools]:
    """The measurements in all shards."""
    with wired() as fleet:
        intake = fleet.any_shard.intake
        if len(fleet.shards) > 1:
            all_meters = Meters(fleet.repository)
            for container in fleet.shards:
                container.intake.all_meters.override(all_meters)
        yield ReadingsTools(
            shards=fleet.shards.map(_stored_readings),
            sources=intake.sources(),
            influx=intake.influx_pages(),
            write_parquet=write_parquet,
        )


def _stored_readings(container: Container) -> StoredReadings:
    return StoredReadings(
        importer=container.intake.importer(),
        exports=container.intake.exports(),
        unknown=container.intake.unknown_devices(),
        is_running=container.platform.owner().is_held,
    )
