"""All shards in a few figures each, asked of their owners."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from functools import partial

import orjson

from app.ops import ShardRow
from app.platform import PAGE, Answer, LogOnce, OwnerAwayError, ShardClient, ShardOwner

logger = logging.getLogger(__name__)
WITHIN_S = 3.0
"""Who looks does not wait for one that hangs."""
OK = 200


class Overviews:
    """Asks all at once when it is asked, and logs which do not answer. Safe for several threads."""

    def __init__(self, client: ShardClient, *, log_once: LogOnce) -> None:
        self._client = client
        self._log_once = log_once

    def __call__(self) -> Sequence[ShardRow]:
        """A row for each shard, by number; of one that does not answer, why."""
        owners = self._client.owners.all()
        answers = self._client.each(PAGE, "/overview", within_s=WITHIN_S)
        return [
            self._row(number, owner, answer)
            for number, (owner, answer) in enumerate(zip(owners, answers, strict=True))
        ]

    def _row(
        self, number: int, owner: ShardOwner | None, answer: Answer | OwnerAwayError
    ) -> ShardRow:
        row = partial(
            ShardRow,
            number=number,
            holder=None if owner is None else owner.holder,
            epoch=None if owner is None else owner.epoch,
        )
        if isinstance(answer, OwnerAwayError):
            return row(problem=self._said(number, str(answer)))
        if answer.status != OK:
            return row(problem=self._said(number, f"shard {number} answers {answer.status}"))
        self._said(number, None)
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

    def _said(self, number: int, problem: str | None) -> str | None:
        """When it begins, is another one, and ends."""
        about, well = f"shard {number} at the gateway", f"shard {number} answers"
        self._log_once.problem(logger, about, problem, recovered=well)
        return problem
