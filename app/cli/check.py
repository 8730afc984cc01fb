"""`check`: what can be known of an application before it runs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict

from rich.table import Table

from app.cli.opened import Fleet
from app.cli.terminal import show
from app.openadr import NoCredentials, VtnError, VtnUnauthorised
from app.scheduling import default_schedules
from app.settings import effective_settings


def checked(fleet: Fleet, *, as_json: bool) -> int:
    """Look at settings, objects, database, sources and VTN, print what is found; the exit code.

    SourcesError, ActuatorsError, DatabaseError: so far it is printed.
    """
    container, settings = fleet.any_shard, fleet.settings
    shown = effective_settings(settings, default_schedules(container.scheduled_tasks))
    if not as_json:
        table = Table("setting", "value", "from")
        for setting in shown:
            table.add_row(setting.name, setting.value, setting.source)
        show(table)
    container.application()  # every object can be built
    databases = []
    for shard in fleet.shards:
        database = shard.platform.database()
        database.open()
        databases.append({"name": database.name, "vens": shard.fleet.repository().count()})
        if not as_json:
            of = "" if len(fleet.shards) == 1 else f"shard {shard.settings().shard.number}: "
            print(f"{of}database {database.name}: opens, {databases[-1]['vens']} VENs")
    vens = fleet.repository.vens()
    sources, actuators = container.intake.sources().all(), container.orders.actuators().all()
    if (sources or actuators) and not as_json:
        print(f"sources: {_listed(sources)}; actuators: {_listed(actuators)}")
    http = container.openadr.http()
    code = 0
    try:
        if vens:
            container.openadr.client_for()(vens[0].ven_name).ping()
        else:  # nobody's credentials are asked for
            http.get("/programs", auth=NoCredentials(), params={"limit": 1})
    except VtnError as error:
        # Without a VEN nobody is let in; that is an answer.
        if vens or not isinstance(error, VtnUnauthorised):
            code = 0 if settings.vtn.uses_embedded else 1
            hint = " (`run` starts it)" if settings.vtn.uses_embedded else ""
            answers = f"{error}{hint}"
        else:
            answers = "answers; the fleet has no VEN that could ask for more"
    else:
        who = f" {vens[0].ven_name!r}" if vens else ""
        answers = f"answers{who} in {(http.latency_s or 0.0) * 1000:.0f} ms"
    if as_json:
        state = {
            "settings": [asdict(setting) for setting in shown],
            **({"database": databases[0]} if len(databases) == 1 else {"databases": databases}),
            "sources": sorted(sources),
            "actuators": sorted(actuators),
            "vtn": {"base_url": settings.vtn.url, "words": answers, "ok": code == 0},
        }
        print(json.dumps(state, indent=1, ensure_ascii=False, default=str))
    else:
        print(f"VTN {settings.vtn.url}: {answers}")
    return code


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"
