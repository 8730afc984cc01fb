"""Measurements that are posted: `POST /readings`, and what is missing: `GET /readings/gaps`.

What a server needs is imported when an application is made: a process that serves nothing does not
pay for it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from app.intake.http.ports import ListsGaps, TakesMeasurements, TakesOutcomes
from app.intake.http.server import IntakeServer, NotServed
from app.intake.intake import Intake
from app.intake.refusal_log import RefusalLog
from app.intake.sources_file import SourcesFile
from app.intake.status import IntakeStats

__all__ = [
    "IntakeServer",
    "ListsGaps",
    "NotServed",
    "TakesMeasurements",
    "TakesOutcomes",
    "make_internal_api",
    "make_public_api",
]


def make_public_api(
    *,
    intake: TakesMeasurements,
    sources: SourcesFile,
    exports: ListsGaps,
    stats: IntakeStats,
    clock: Callable[[], datetime],
    monotonic: Callable[[], float],
    refusal_log: RefusalLog,
    outcomes: TakesOutcomes,
    waits_for_others: bool = False,
) -> Any:
    """What meters and devices send to, as an ASGI application.

    `waits_for_others`: whether what is handed in is stored by other processes.
    """
    from app.intake.http.api import IntakeApi

    return IntakeApi(
        intake=intake,
        sources=sources,
        exports=exports,
        stats=stats,
        clock=clock,
        monotonic=monotonic,
        refusal_log=refusal_log,
        outcomes=outcomes,
        waits_for_others=waits_for_others,
    ).application()


def make_internal_api(
    *, intake: Intake, sources: SourcesFile, exports: ListsGaps, outcomes: TakesOutcomes
) -> Any:
    """What the gateway, and other shards, hand on to the owner of a shard; an ASGI application."""
    from app.intake.http.internal import InternalApi

    return InternalApi(
        intake=intake, sources=sources, exports=exports, outcomes=outcomes
    ).application()
