"""A cluster of several nodes on this machine: each a process of its own, with Ray below it."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sqlalchemy import make_url

from app.cluster.engine import ClusterRecord, Seen
from app.platform import Registry, make_engine
from tests.support.processes import Application
from tests.support.servers import free_port
from tests.support.shard_stores import ShardStore
from tests.support.waiting import wait_until

FIRST = "a"
"""The node that is the head, too, unless another one becomes it."""
BEGINS_WITHIN_S = 150
"""On a busy machine, Ray's own parts may take too long for Ray, which is begun again."""
STOPS_WITHIN_S = 120


def stat(pid: int) -> list[str]:
    """Of a process, from its state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def parent(pid: int) -> int:
    return int(stat(pid)[1])


def tree(pid: int) -> list[int]:
    """A process and all that it began, as far as they live."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                children.setdefault(parent(int(path.name)), []).append(int(path.name))
            except (FileNotFoundError, ProcessLookupError):
                continue
    found = [pid]
    for each in found:
        found.extend(children.get(each, ()))
    return found


def command_of(pid: int) -> str:
    """With its arguments; empty where it lives no more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def is_of(pid: int, ancestor: int) -> bool:
    """Whether it was begun by that one, or by one that was."""
    while pid > 1:
        if pid == ancestor:
            return True
        pid = parent(pid)
    return False


class Cluster:
    """Its nodes by name. `settings`: of all of them."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        # Ray's sockets have short paths, and its agents write until they notice that it ended.
        self._folder = tempfile.TemporaryDirectory(
            prefix="vf-", dir="/tmp", ignore_cleanup_errors=True
        )
        self.head_name = FIRST
        self._port = free_port()
        self.nodes: dict[str, Application] = {}
        self._made: list[Application] = []
        url = settings.get("DATABASE__URL") or f"sqlite:///{self.data_dir(FIRST)}/shards.db"
        self.record = ClusterRecord(Registry(make_engine(make_url(url), pools=False)))

    def data_dir(self, name: str) -> Path:
        return Path(self._folder.name) / name

    def settings_of(self, name: str) -> dict[str, str]:
        return {
            **self._settings,
            "DATA_DIR": str(self.data_dir(name)),
            "OPS__PORT": str(free_port()),
        }

    @property
    def head(self) -> str:
        """Host and port of it."""
        return f"127.0.0.2:{self._port}"

    def become_head(self, name: str) -> Application:
        """That node, which does not run now, and at another port, as if it were another machine."""
        self.head_name, self._port = name, free_port()
        return self.begin(name, "--new-head")

    def begin(self, name: str, *options: str) -> Application:
        """The node joins, or it is the head and begins the cluster; return when the keeper sees
        it."""
        is_head = name == self.head_name
        joins = ["--port", str(self._port)] if is_head else ["--address", self.head]
        made = self.command(name, "cluster", "start", "--foreground", *joins, *options)
        self.nodes[name] = made
        wait_until(
            lambda: self.is_there(name),
            timeout_s=BEGINS_WITHIN_S,
            otherwise=lambda: f"{self.seen()}\n{self.all_logs()}",
        )
        return made

    def command(self, name: str, *arguments: str) -> Application:
        """With the settings of that node."""
        made = Application(*arguments, cwd=Path(self._folder.name), settings=self.settings_of(name))
        self._made.append(made)
        return made

    def seen(self) -> Seen | None:
        return self.record.seen()

    def is_there(self, name: str) -> bool:
        """Whether the keeper sees it."""
        seen, pid = self.seen(), self.nodes[name].pid
        return seen is not None and any(each.name.endswith(f":{pid}") for each in seen.nodes)

    def all_there(self) -> bool:
        """Whether the keeper sees all nodes, and each has its gateway."""
        seen = self.seen()
        return (
            seen is not None
            and all(map(self.is_there, self.nodes))
            and len(seen.nodes) == len(self.nodes)
            and all(each.has_gateway for each in seen.nodes)
        )

    def node_of(self, pid: int) -> str:
        """The node that a process is on."""
        return next(name for name, each in self.nodes.items() if is_of(pid, each.pid))

    def logs(self, name: str) -> str:
        """What its processes printed."""
        folder = self.data_dir(name) / "ray" / "logs"
        last = {path.name: path.read_text() for path in sorted(folder.glob("*.log"))}
        if name in self.nodes:
            last["its process"] = self.nodes[name].log
        return "\n".join(f"== {name}/{each}\n{last[each][-3_000:]}" for each in last)

    def all_logs(self) -> str:
        """Of all nodes, also of those that were taken away."""
        folders = [path.name for path in Path(self._folder.name).iterdir()]
        return "\n".join(map(self.logs, sorted(folders)))

    def close(self) -> None:
        """Whatever still runs is ended."""
        for each in self._made:
            pids = tree(each.pid)
            each.kill()
            kill_all(pids)
        self._folder.cleanup()


def kill_all(pids: Iterable[int]) -> None:
    """Those that still live."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def lives(pid: int) -> bool:
    """Whether a process is there, and no zombie that nobody has waited for."""
    try:
        return stat(pid)[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def process_of(store: ShardStore) -> int | None:
    """The process that has the lease of a shard."""
    holder = store.holder()
    return None if holder is None else int(holder.rpartition(":")[2])


def processes_named(pids: Iterator[int] | list[int], word: str) -> list[int]:
    """Those whose command line has this word in it."""
    found = []
    for pid in pids:
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if word.encode() in command:
            found.append(pid)
    return found
