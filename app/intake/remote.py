"""The intake of shards that other processes run, asked through their endpoints."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime
from urllib.parse import urlencode

import numpy as np
import orjson

from app.intake.exports import Gap
from app.intake.handed_on import HandedOn, Part
from app.intake.http import TakesOutcomes
from app.intake.measurement import Measurements, MeterName
from app.intake.sources import Source
from app.intake.split import ShardIntake
from app.platform import INTAKE, Answer, OwnerAwayError, Shard, ShardClient, shard_of

OK, NO_CONTENT, UNPROCESSABLE, TOO_MANY = 200, 204, 422, 429


class RemoteIntake:
    """That of one shard, as `Intake.take_part`."""

    def __init__(self, number: int, *, client: ShardClient) -> None:
        self._number = number
        self._client = client

    def unknown(self, meters: Sequence[MeterName], source: Source) -> Sequence[int]:
        """OwnerAwayError."""
        asked = orjson.dumps({"source": source.name, "meters": [tuple(each) for each in meters]})
        answer = self._client(self._number, "POST", INTAKE, "/unknown", body=asked)
        found: list[int] = orjson.loads(_of(self._number, answer))
        return found

    def take_part(self, batch: Measurements, source: Source, *, leaves_unknown: bool) -> Part:
        """OwnerAwayError: it may be taken all the same."""
        keys, key = np.unique(batch.key, return_inverse=True)
        own = Measurements(
            keys=[batch.keys[each] for each in keys.tolist()],
            key=key,
            start_us=batch.start_us,
            end_us=batch.end_us,
            value=batch.value,
            quality=batch.quality,
            codes=batch.codes,
            code=batch.code,
            lines=batch.lines,
        )
        handed_on = HandedOn(source=source.name, batch=own, leaves_unknown=leaves_unknown)
        answer = self._client(
            self._number, "POST", INTAKE, "/measurements", body=handed_on.to_bytes()
        )
        try:
            part = Part.read(_of(self._number, answer))
        except ValueError as error:
            raise OwnerAwayError(f"shard {self._number}: {error}") from None
        return Part(receipt=part.receipt, unknown=[int(keys[each]) for each in part.unknown])


def intake_of_shards(
    shards: int,
    *,
    client: ShardClient,
    own: Shard | None = None,
    intake: ShardIntake | None = None,
) -> Sequence[ShardIntake]:
    """That of each shard, by number. `own`: the one that this process runs, with its `intake`."""
    found: list[ShardIntake] = [RemoteIntake(number, client=client) for number in range(shards)]
    if own is not None and intake is not None:
        found[own.number] = intake
    return found


class RemoteGaps:
    """As `Exports.gaps`, over all shards."""

    def __init__(self, *, client: ShardClient) -> None:
        self._client = client

    def gaps(
        self,
        start: datetime,
        end: datetime,
        *,
        ven_name: str | None = None,
        source: str | None = None,
    ) -> Iterator[Gap]:
        """By VEN and resource. OwnerAwayError: a shard is away."""
        asked = {"from": start.isoformat(), "to": end.isoformat(), "source": source or ""}
        shards = len(self._client.owners)
        numbers = range(shards) if ven_name is None else [shard_of(ven_name, shards)]
        found = []
        for number in numbers:
            answer = self._client(number, "GET", INTAKE, f"/gaps?{urlencode(asked)}")
            found.append(map(Gap.read, orjson.loads(_of(number, answer))))
        return heapq.merge(*found)


class RemoteOutcomes:
    """Where devices answer to orders: the owner of their shard follows it.

    `actuators` knows whose a token is.
    """

    def __init__(self, *, client: ShardClient, actuators: TakesOutcomes) -> None:
        self._client = client
        self._actuators = actuators

    def actuator_of_token(self, token: str) -> str | None:
        """Whose devices may post with this token."""
        return self._actuators.actuator_of_token(token)

    def post(self, actuator: str, body: bytes) -> bool:
        """As `OutcomeInbox.post`. OwnerAwayError."""
        try:
            ven_name = orjson.loads(body)["ven_name"]
        except (orjson.JSONDecodeError, TypeError, KeyError):
            ven_name = None
        if not isinstance(ven_name, str):
            raise ValueError("it needs a ven_name and a resource_name")
        number = shard_of(ven_name, len(self._client.owners))
        path = f"/outcomes?{urlencode({'actuator': actuator})}"
        answer = self._client(number, "POST", INTAKE, path, body=body)
        if answer.status == UNPROCESSABLE:
            raise ValueError(orjson.loads(answer.body).get("detail", "it is refused"))
        if answer.status == TOO_MANY:
            return False
        if answer.status != NO_CONTENT:
            raise OwnerAwayError(f"shard {number} answers {answer.status}")
        return True


def _of(number: int, answer: Answer) -> bytes:
    """What was asked for. OwnerAwayError: something else came."""
    if answer.status != OK:
        said = answer.body.decode(errors="replace")[:500]
        raise OwnerAwayError(f"shard {number} answers {answer.status}: {said}")
    return answer.body
