"""All shards in a few figures each, asked of their owners."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial

import orjson

from app.ops import ShardRow
from app.platform import PAGE, OperationalError, ShardClient, ShardOwner

WORKERS = 16
WITHIN_S = 3.0
"""Who looks does not wait for one that hangs."""
OK = 200


class Overviews:
    """Asks all at once when it is asked. Safe for several threads."""

    def __init__(self, client: ShardClient) -> None:
        self._client = client
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="overviews")

    def __call__(self) -> Sequence[ShardRow]:
        """A row for each shard, by number; of one that does not answer, why."""
        owners = self._client.owners
        return list(self._workers.map(self._row, range(len(owners)), owners.all()))

    def _row(self, number: int, owner: ShardOwner | None) -> ShardRow:
        row = partial(
            ShardRow,
            number=number,
            holder=None if owner is None else owner.holder,
            epoch=None if owner is None else owner.epoch,
        )
        try:
            answer = self._client(number, "GET", PAGE, "/overview", within_s=WITHIN_S)
        except OperationalError as error:
            return row(problem=self._client.owners.problem or str(error))
        if answer.status != OK:
            return row(problem=f"answers {answer.status}")
        said = orjson.loads(answer.body)
        at = said["last_report_at"]
        return row(
            problem="; ".join(said["reasons"]) or None,
            warnings=said["warnings"],
            vens=said["vens"],
            waiting_readings=said["waiting_readings"],
            power_kw=said["power_kw"],
            last_report_at=None if at is None else datetime.fromisoformat(at),
        )
