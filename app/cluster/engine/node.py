"""This machine as a node of the cluster, and as its head."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import socket
import subprocess  # nosec B404
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from app.cluster.engine.errors import ClusterError, MembershipError
from app.cluster.engine.membership import Head, Membership
from app.cluster.engine.ray_start import (
    Place,
    RayStart,
    head_command,
    keepers_command,
    node_command,
)
from app.cluster.engine.record import ClusterRecord
from app.platform import DatabaseError, LogOnce, Shutdown, SystemdNotifier, process_name

logger = logging.getLogger(__name__)
LOOKS_EVERY_S = 0.5
CONNECTS_WITHIN_S = 1.0
LOOKS_FOR_A_HEAD_EVERY_S = 5.0
FORMER_ENDS_WITHIN_S = 15.0
LEAVES_WITHIN_S = 25.0
KEEPERS_BEGIN_WITHIN_S = 60.0
LOCK_WITHIN_S = 2.0
"""Who only looks who has the lock holds it for a moment."""
MAX_DIRECTORY_BYTES = 38
"""Of the path of Ray's files: what it adds, and the end, are 69 of the 107 of a socket's."""
ADDRESS_FILE = "ray_current_cluster"
"""Ray's own note of who is the head: with a node of that one alive it would not begin another."""


class ClusterNode:
    """Runs Ray on this machine until it is told to stop. Building it does no I/O.

    `directory`: of Ray's files and of the logs of what it runs.
    """

    def __init__(
        self,
        *,
        directory: Path,
        membership: Membership,
        record: ClusterRecord,
        shutdown: Shutdown,
        notifier: SystemdNotifier,
        log_once: LogOnce,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._directory = directory.absolute()
        self._membership = membership
        self._record = record
        self._shutdown = shutdown
        self._notifier = notifier
        self._log_once = log_once
        self._clock = clock
        self._monotonic = monotonic
        self._begins_keepers: subprocess.Popen[bytes] | None = None
        self._keepers_began_s = 0.0
        self._looks_for_a_head_s = float("-inf")
        self._has_begun = False
        self._was_named = False
        """Whether the registry has named this machine as the head."""

    @property
    def lock_file(self) -> Path:
        """What says which process runs the node of this machine."""
        return self._directory / "node.lock"

    @property
    def log_file(self) -> Path:
        """Of that process, where it is in the background."""
        return self._directory / "logs" / "cluster.log"

    def run(self, address: str | None, *, port: int, is_new: bool) -> None:
        """Until the shutdown: the head (`address` None), and a node of it; or a node that joins the
        head. `is_new`: instead of the one before. ClusterError, ShardError, DatabaseError."""
        head = self._membership.check(address, port=port, is_new=is_new)
        if address not in (None, head.at):
            logger.info("the head of this fleet is at %s", head.at)
        self._prepare()
        with self._alone(head):
            place = self._membership.place(self._directory)
            if head.is_here:
                self._run_head(place, head.at)
            else:
                self._run_node(place, head.at)
            self._notifier.stopping()
        logger.info("stopped")

    def _prepare(self) -> None:
        """ClusterError: its path is too long."""
        length = len(os.fsencode(self._directory))
        if length > MAX_DIRECTORY_BYTES:
            raise ClusterError(
                f"DATA_DIR: {self._directory} is {length} bytes long, and Ray's sockets below it"
                f" need a path of at most {MAX_DIRECTORY_BYTES}"
            )
        for directory in (self._directory, self._directory / "logs"):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory.chmod(0o700)

    @contextmanager
    def _alone(self, head: Head) -> Iterator[None]:
        """ClusterError: another process runs the node of this machine."""
        with open(self.lock_file, "a+") as file:
            self._lock(file.fileno())
            file.truncate(0)
            file.write(json.dumps({"pid": os.getpid(), "head": head.at if head.is_here else None}))
            file.flush()
            yield

    def _lock(self, descriptor: int) -> None:
        until_s = self._monotonic() + LOCK_WITHIN_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                if self._monotonic() > until_s:
                    raise ClusterError(
                        f"the node of this machine runs already (see {self.lock_file})"
                    ) from None
                threading.Event().wait(0.1)
            else:
                return

    def _run_head(self, place: Place, head: str) -> None:
        self._wait_for_a_former_one(head)
        begun = self._record.begun()
        self._was_named = begun is not None and begun.head == head
        if self._record.desired().is_stopped or not self._membership.is_as_before(head):
            for part in ("store", "head", "node"):
                shutil.rmtree(self._directory / part, ignore_errors=True)
        (self._directory / "store").mkdir(exist_ok=True, mode=0o700)
        start = RayStart(
            f"the head at {head}",
            partial(head_command, place, int(head.rpartition(":")[2])),
            log_file=self._directory / "logs" / "head.log",
            forget=self._directory / "head" / ADDRESS_FILE,
            monotonic=self._monotonic,
        )
        self._run_node(place, head, start)

    def _wait_for_a_former_one(self, head: str) -> None:
        """It may need some seconds to end, when its node's process was killed. ClusterError."""
        until_s = self._monotonic() + FORMER_ENDS_WITHIN_S
        while _answers(head):
            if self._shutdown.wait(LOOKS_EVERY_S):
                return
            if self._monotonic() > until_s:
                raise ClusterError(
                    f"{head} is in use by something else; choose another port with --port"
                )

    def _run_node(self, place: Place, head: str, own: RayStart | None = None) -> None:
        """`own`: the head itself, where it is on this machine. ClusterError: another machine has
        become the head instead."""
        name = process_name()
        node = self._node_of(place, head, name)
        if own is None:
            self._record.left(name)  # a former one may have had this name
        try:
            has_keepers = own is None
            while not self._shutdown.wait(LOOKS_EVERY_S):
                if own is not None:
                    self._refuse_to_be_replaced(head)
                    if own.keep():
                        has_keepers = False
                elif (other := self._head_to_follow(head)) is not None:
                    logger.warning("the head is at %s now; this machine leaves %s", other, head)
                    node.end()
                    head, node = other, self._node_of(place, other, name)
                if not self._is_there(head):
                    continue
                if not node.is_running:
                    self._join(node, head, is_head=own is not None)
                if not has_keepers:
                    has_keepers = self._has_begun_keepers(place, head)
            self._leave(name, head)
        finally:
            node.end()
            if own is not None:
                own.end()
            with suppress(DatabaseError):
                self._record.left(name)
                if own is not None and self._record.desired().is_stopped:
                    self._record.ended()

    def _node_of(self, place: Place, head: str, name: str) -> RayStart:
        return RayStart(
            f"the node {name}",
            lambda: node_command(place, head, name=name, resource=self._membership.resource()),
            log_file=self._directory / "logs" / "node.log",
            forget=self._directory / "node" / ADDRESS_FILE,
            monotonic=self._monotonic,
        )

    def _refuse_to_be_replaced(self, head: str) -> None:
        """MembershipError: another machine has become the head."""
        if self._was_named and (other := self._other_head(head)) is not None:
            raise MembershipError(
                f"the head of this fleet is at {other} now, and this one ends: join that one with"
                f" --address {other}"
            )

    def _head_to_follow(self, head: str) -> str | None:
        """The one that has begun instead, where this machine may join it and reaches it."""
        if (other := self._other_head(head)) is None:
            return None
        problem = None
        try:
            self._membership.head_to_join()
        except (ClusterError, DatabaseError) as error:
            problem = str(error)
        else:
            if not _answers(other):
                problem = "it does not answer"
        if problem is not None:
            problem = f"the head is at {other} now, and this machine cannot join it: {problem}"
        self._log_once.problem(logger, "to follow", problem)
        return other if problem is None else None

    def _other_head(self, head: str) -> str | None:
        """The one that has begun instead; None: there is none, or that is not known now."""
        now_s = self._monotonic()
        if now_s < self._looks_for_a_head_s:
            return None
        self._looks_for_a_head_s = now_s + LOOKS_FOR_A_HEAD_EVERY_S
        try:
            begun = self._record.begun()
        except DatabaseError:  # which each process that needs it says
            return None
        return None if begun is None or begun.head == head else begun.head

    def _is_there(self, head: str) -> bool:
        is_there = _answers(head)
        self._log_once.problem(
            logger,
            "the head",
            None if is_there else f"the head at {head} does not answer; it is waited for",
            recovered=f"the head at {head} answers",
        )
        return is_there

    def _join(self, node: RayStart, head: str, *, is_head: bool) -> None:
        """Begin it, where this machine is as the head is, which may have begun anew. ClusterError:
        it is not: who begins this process again gives it the settings of now."""
        problem = None
        try:
            if is_head and not self._has_begun:
                self._membership.begin(head)
                self._has_begun = self._was_named = True
            if (is_head or self._membership.head_to_join() == head) and node.keep():
                logger.info("this machine is a node of %s", head)
                self._notifier.ready()
        except DatabaseError as error:
            problem = str(error)
        self._log_once.problem(logger, "to join", problem)

    def _has_begun_keepers(self, place: Place, head: str) -> bool:
        """Begins them, and begins again where that failed or hangs."""
        now_s = self._monotonic()
        if self._begins_keepers is None:
            self._begins_keepers = subprocess.Popen(keepers_command(place, head))  # nosec B603
            self._keepers_began_s = now_s
        elif now_s - self._keepers_began_s > KEEPERS_BEGIN_WITHIN_S:
            self._begins_keepers.kill()
        code = self._begins_keepers.poll()
        if code is not None:
            self._begins_keepers = None
        return code == 0

    def _leave(self, name: str, head: str) -> None:
        """Nothing is broken off that can be ended in order, and begun elsewhere."""
        if not _answers(head):
            return
        try:
            self._record.leave(name)
            until_s = self._monotonic() + LEAVES_WITHIN_S
            while self._has_something(name) and self._monotonic() < until_s and _answers(head):
                threading.Event().wait(LOOKS_EVERY_S)
        except DatabaseError as error:
            logger.warning("the node is not left in order: %s", error)

    def _has_something(self, name: str) -> bool:
        seen = self._record.seen()
        return seen is not None and (
            any(shard.node == name for shard in seen.shards)
            or any(
                node.name == name and (node.has_gateway or node.has_keeper) for node in seen.nodes
            )
        )


def _answers(head: str) -> bool:
    """Whether somebody listens there."""
    host, _, port = head.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), CONNECTS_WITHIN_S):
            return True
    except OSError:
        return False
