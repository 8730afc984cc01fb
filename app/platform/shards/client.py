"""Asks the owner of a shard, wherever it is."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import orjson
import urllib3

from app.platform.errors import DatabaseError, OwnerAwayError, ShardError
from app.platform.shards.gateway_key import KEY_HEADER, GatewayToken
from app.platform.shards.owners import ReadsOwners, ShardOwner
from app.platform.shards.store import Registry

LOOKS_EVERY_S = 0.5
"""Who runs a shard: leases change in seconds."""
WAITS_S = 1.0
"""For who looks already: the database may be silent."""
CONNECT_S, READ_S = 2.0, 10.0
AT_ONCE = 8
"""Requests to one owner."""
MAX_WORDS = 300
WORKERS = 16
NO_KEY, TRY_AGAIN = 401, 503


class Answer(NamedTuple):
    """Of the owner of a shard."""

    status: int
    body: bytes


class Owners:
    """Who runs each shard, looked up when it is asked for and half a second has passed.

    One thread looks, and the others wait for it, but not long; where it cannot be looked up, what
    was known holds. Safe for several threads.
    """

    def __init__(
        self,
        read: ReadsOwners,
        *,
        registry: Registry,
        token: GatewayToken,
        shards: int,
        monotonic: Callable[[], float],
    ) -> None:
        self._read = read
        self._registry = registry
        self._token = token
        self._monotonic = monotonic
        self._looking = threading.Lock()
        self._known: Sequence[ShardOwner | None] = [None] * shards
        self._looked_at_s = float("-inf")
        self.problem: str | None = None
        """Why it is not known who runs them."""

    def __len__(self) -> int:
        return len(self._known)

    def all(self) -> Sequence[ShardOwner | None]:
        """By number; None: nobody runs it."""
        if self._is_old() and self._looking.acquire(timeout=WAITS_S):
            try:
                if self._is_old():
                    self._look()
            finally:
                self._looking.release()
        return self._known

    def _is_old(self) -> bool:
        return self._monotonic() - self._looked_at_s >= LOOKS_EVERY_S

    def _look(self) -> None:
        try:
            self._registry.refuse_another_number(len(self))
            self._known, self.problem = self._read(), None
        except ShardError as error:  # nobody of the fleet that this one knows
            self._known, self.problem = [None] * len(self), f"{error}, and start this again"
        except (DatabaseError, OSError) as error:
            self.problem = str(error)
        self._looked_at_s = self._monotonic()

    def close(self) -> None:
        """May be called again."""
        self._read.close()

    def reach(self, number: int, part: str) -> tuple[str, Mapping[str, str]]:
        """The URL, without a path, of the owner of a shard, and the header that opens this part.

        OwnerAwayError: nobody runs it, or it is not reached from here.
        """
        owner = self.all()[number]
        if owner is None:
            raise OwnerAwayError(self.problem or f"shard {number} is run by nobody")
        address = owner.address
        if address is None or not address.is_reachable:
            raise OwnerAwayError(
                f"shard {number} is run by {owner.holder}, which is not reached from here: give"
                " GATEWAY__HOST there"
            )
        try:
            key = self._token.key(
                shard=number,
                of=len(self),
                epoch=owner.epoch,
                address=str(address),
                part=part,
            )
        except OSError as error:
            raise OwnerAwayError(f"the token of the gateway: {error.strerror}") from None
        return address.url, {KEY_HEADER: key}


class ShardClient:
    """Asks the owners of shards, each only so many things at a time: one that is slow holds up
    nobody but itself. Safe for several threads.

    `ca`: who signed the certificates of owners elsewhere.
    """

    def __init__(self, owners: Owners, *, ca: Path | None) -> None:
        self.owners = owners
        self._ca = ca
        self._lock = threading.Lock()
        self._made: urllib3.PoolManager | None = None
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="shards")
        self._room = [threading.Semaphore(AT_ONCE) for _ in range(len(owners))]

    def __call__(
        self,
        number: int,
        method: str,
        part: str,
        path: str,
        *,
        body: bytes | None = None,
        within_s: float = READ_S,
    ) -> Answer:
        """OwnerAwayError: nobody answers in time, or the answer is that it has to be tried
        again."""
        url, headers = self.owners.reach(number, part)
        timeout = urllib3.Timeout(connect=CONNECT_S, read=within_s)
        if not self._room[number].acquire(blocking=False):
            raise OwnerAwayError(f"shard {number} is slow: {AT_ONCE} requests wait for it already")
        try:
            answer = self.pool().request(
                method, f"{url}/{part}{path}", body=body, headers=headers, timeout=timeout
            )
        except urllib3.exceptions.HTTPError:
            raise OwnerAwayError(f"shard {number} does not answer") from None
        finally:
            self._room[number].release()
        if answer.status == NO_KEY:
            raise OwnerAwayError(f"shard {number} has another owner, or another GATEWAY__TOKEN")
        if answer.status == TRY_AGAIN:
            raise OwnerAwayError(f"shard {number}: {_words(answer.data)}")
        return Answer(answer.status, answer.data)

    def each(
        self, part: str, path: str, *, within_s: float = READ_S
    ) -> list[Answer | OwnerAwayError]:
        """What GET answers at each shard, by number; all are asked at once."""

        def answer(number: int) -> Answer | OwnerAwayError:
            try:
                return self(number, "GET", part, path, within_s=within_s)
            except OwnerAwayError as error:
                return error

        return list(self._workers.map(answer, range(len(self.owners))))

    def pool(self) -> urllib3.PoolManager:
        """Its connections. OwnerAwayError: GATEWAY__CA cannot be used."""
        with self._lock:
            if self._made is None:
                self._made = urllib3.PoolManager(
                    num_pools=len(self.owners),
                    maxsize=AT_ONCE,
                    retries=False,
                    ssl_context=self.tls(),
                )
            return self._made

    def tls(self) -> ssl.SSLContext:
        """How owners on other machines are known. OwnerAwayError: GATEWAY__CA cannot be used."""
        try:
            return ssl.create_default_context(cafile=None if self._ca is None else str(self._ca))
        except OSError as error:  # ssl.SSLError is one
            raise OwnerAwayError(f"GATEWAY__CA cannot be used: {error.strerror or error}") from None

    def close(self) -> None:
        """May be called again."""
        self.owners.close()
        self._workers.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            if self._made is not None:
                self._made.clear()


def _words(body: bytes) -> str:
    """What an answer says, of problem+json or as it is."""
    try:
        return str(orjson.loads(body)["detail"])[:MAX_WORDS]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return body.decode(errors="replace").strip()[:MAX_WORDS]
