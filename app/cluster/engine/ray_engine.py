"""Ray: supervisors are detached actors with names, which it begins again on whatever node lives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from app.cluster.engine.errors import EngineError, NewHeadError
from app.cluster.engine.model import Node, Said, keeper_names, log_of, shard_number
from app.platform import one_line, process_name

NAMESPACE = "ven-fleet"
ANSWERS_WITHIN_S = 0.5
HEAD = "node:__internal_head__"
"""What a head has, and no other node."""
SHARE = 0.001
"""Of the resource that our nodes have: so many supervisors may be on one that it sets no bound."""


class RayEngine:
    """Connects to the node of this machine when it is first used. Not for several threads.

    `head`: host and port of the cluster; `resource`: what only nodes have that `cluster start`
    joined with the same version and settings; `on_connect`: called then, since Ray changes what
    signals do.
    """

    def __init__(
        self, *, head: str, resource: Callable[[], str], on_connect: Callable[[], None]
    ) -> None:
        self._head = head
        self._resource = resource
        self._on_connect = on_connect
        self._ray: Any = None
        self._known_resource: str | None = None
        self._head_id: str | None = None
        self._asked: dict[str, Any] = {}
        """What was asked of supervisors and is not answered yet, by name."""

    def nodes(self) -> Sequence[Node]:
        with self._connected() as ray:
            found = [each for each in ray.nodes() if each["Alive"]]
        resource = self._ours()
        self._refuse_a_new_head(each["NodeID"] for each in found if HEAD in each["Resources"])
        return [
            Node(
                id=each["NodeID"],
                name=each["NodeName"],
                address=each["NodeManagerAddress"],
                cpus=int(each["Resources"].get("CPU", 0)),
                is_ours=resource in each["Resources"],
            )
            for each in found
            if HEAD not in each["Resources"]
        ]

    def _refuse_a_new_head(self, ids: Iterable[str]) -> None:
        """Since it began anew, calls of this process to actors that begin do not arrive."""
        head_id = next(iter(ids), None)
        if head_id is None:
            return
        if self._head_id is not None and head_id != self._head_id:
            raise NewHeadError(f"the head at {self._head} has begun anew")
        self._head_id = head_id

    def supervisors(self) -> Mapping[str, Said | None]:
        with self._connected() as ray:
            names = ray.util.list_named_actors()
            self._asked = {name: self._asked[name] for name in names if name in self._asked}
            for name in names:
                if name not in self._asked:
                    with _if_there():
                        self._asked[name] = ray.get_actor(name).said.remote()
            asked = list(self._asked.values())
            if asked:
                ray.wait(asked, num_returns=len(asked), timeout=ANSWERS_WITHIN_S)
            return {name: self._said(ray, name) for name in list(self._asked)}

    def _said(self, ray: Any, name: str) -> Said | None:
        answered, _ = ray.wait([self._asked[name]], timeout=0)
        if not answered:
            return None
        reference = self._asked.pop(name)
        try:
            node_id, host, pid, began = ray.get(reference)
        except ray.exceptions.RayError:  # it ended, and begins again
            return None
        return Said(node_id, process_name(pid, host=host), began)

    def start(self, name: str, *, node_id: str, only_there: bool) -> None:
        with self._connected() as ray:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            where = NodeAffinitySchedulingStrategy(node_id, soft=not only_there)
            self._begin(ray, name, where)

    def start_keepers(self) -> None:
        """Those that are missing. EngineError."""
        with self._connected() as ray:
            for name in keeper_names():
                self._begin(ray, name, "SPREAD")

    def _begin(self, ray: Any, name: str, strategy: Any) -> None:
        from app.cluster.supervisor import Supervisor

        ray.remote(Supervisor).options(
            name=name,
            get_if_exists=True,
            lifetime="detached",
            num_cpus=0 if shard_number(name) is None else 1,
            resources={self._ours(): SHARE},
            max_restarts=-1,
            max_task_retries=0,
            scheduling_strategy=strategy,
        ).remote(log_of(name), ["cluster", "child", name])

    def _ours(self) -> str:
        if self._known_resource is None:
            self._known_resource = self._resource()
        return self._known_resource

    def stop(self, name: str) -> None:
        with self._connected() as ray, _if_there():
            ray.get_actor(name).stop.remote()

    def kill(self, name: str) -> None:
        with self._connected() as ray, _if_there():
            ray.kill(ray.get_actor(name), no_restart=True)

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """Ray itself, connected. EngineError: it does not answer."""
        import ray

        try:
            if self._ray is None:
                ray.init(
                    address=self._head,
                    namespace=NAMESPACE,
                    log_to_driver=False,
                    configure_logging=False,
                )
                self._on_connect()
                self._ray = ray
            yield ray
        except EngineError:
            raise
        except (ray.exceptions.RayError, ConnectionError, RuntimeError) as error:
            raise EngineError(f"Ray at {self._head}: {one_line(error)}") from None


@contextmanager
def _if_there() -> Iterator[None]:
    """Who has gone needs no telling."""
    try:
        yield
    except ValueError:
        return
