"""What the keeper knows of one shard, and what it makes of that."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from app.cluster.engine.model import Said
from app.platform import ShardOwner

UNOWNED_S = 3.0
"""When the database is back, owners go on with their leases by themselves."""
SILENT_S = 8.0
BEGINS_WITHIN_S = 20.0
"""A supervisor. Ray was seen to know some that never began."""
OWNS_WITHIN_S = 300.0
"""A process may have to wait until other stores are brought up to date."""
MAX_ENDS, ENDS_WITHIN_S = 3, 60.0


@dataclass(kw_only=True)
class WatchedShard:
    """All instants are seconds of the monotonic clock."""

    number: int
    said: Said | None = None
    """What its supervisor said last; None: it has not begun yet."""
    began_s: float
    """When its supervisor did, or its process."""
    answered_s: float | None = None
    owned_by: str | None = None
    """The last process that had the lease."""
    unowned_since_s: float | None = None
    """Since when nobody has the lease."""
    stopping_since_s: float | None = None
    chosen_node: str | None = None
    """Where it was begun, as long as its supervisor has not said where it is."""
    avoided_node: str | None = None
    """The one that it has just been taken away from."""
    restarts: int = 0
    """Of its process, by whomever, since the cluster began."""
    has_begun: bool = False
    """Whether this keeper has heard of a beginning: the first one is no restart."""
    ends_s: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_ENDS))
    """Of its processes on the node where it is."""

    @property
    def node_id(self) -> str | None:
        """Where it is, or soon will be."""
        return self.chosen_node if self.said is None else self.said.node_id

    @property
    def host(self) -> str:
        """Where its process is, for people."""
        return "its node" if self.said is None else self.said.process.rpartition(":")[0]

    @property
    def has_owned(self) -> bool:
        """Whether its process had the lease at some time."""
        return self.said is not None and self.said.process == self.owned_by

    @property
    def is_well(self) -> bool:
        """Whether somebody runs it, and nothing is about to change."""
        is_owned = self.unowned_since_s is None and self.has_owned
        return is_owned and self.stopping_since_s is None

    def look(self, said: Said | None, owner: ShardOwner | None, now_s: float) -> None:
        """What its supervisor says (None: nothing), and who has its lease."""
        if said is not None:
            self.answered_s = now_s
            if said != self.said:
                self._has_begun(said, now_s)
        if owner is None:
            if self.unowned_since_s is None:
                self.unowned_since_s = now_s
            return
        self.unowned_since_s, self.owned_by = None, owner.holder

    def _has_begun(self, said: Said, now_s: float) -> None:
        """Again, by Ray, or for the first time."""
        if self.said is not None:
            if self.said.node_id == said.node_id:
                self.ends_s.append(now_s)
            else:
                self.ends_s.clear()
        self.said, self.began_s = said, now_s
        self.chosen_node = self.stopping_since_s = None
        self.restarts += self.has_begun
        self.has_begun = True

    def why_not_well(self, now_s: float) -> str | None:
        """Why its supervisor has to go; None: it need not, or that is not known yet."""
        since_s = self.unowned_since_s
        if since_s is None or now_s - since_s < UNOWNED_S:
            return None
        is_silent = self.answered_s is None or now_s - self.answered_s > SILENT_S
        if self.has_owned and self.answered_s == now_s:
            return "its process has lost the lease and does not end, so it stands still"
        if self.has_owned and is_silent:
            return "its lease is over, and its supervisor does not answer"
        waits_s = now_s - max(since_s, self.began_s)
        if self.said is None and waits_s > BEGINS_WITHIN_S:
            return f"its supervisor has not begun for {BEGINS_WITHIN_S:.0f} s"
        if waits_s > OWNS_WITHIN_S:
            return f"nobody has taken its lease for {OWNS_WITHIN_S:.0f} s"
        return None

    def ends_too_often(self, now_s: float) -> bool:
        """On the node where it is."""
        return len(self.ends_s) == MAX_ENDS and now_s - self.ends_s[0] < ENDS_WITHIN_S

    def started(self, node_id: str, now_s: float) -> None:
        """Its supervisor was begun there."""
        self.said = self.answered_s = self.stopping_since_s = self.avoided_node = None
        self.began_s, self.chosen_node = now_s, node_id

    def taken_away(self, now_s: float) -> None:
        """Its supervisor was ended where it was."""
        self.avoided_node = self.node_id
        self.said = self.answered_s = self.chosen_node = self.stopping_since_s = None
        self.began_s = now_s
        self.ends_s.clear()

    def stopping(self, now_s: float) -> None:
        """Its supervisor was told to stop."""
        self.stopping_since_s, self.avoided_node = now_s, self.node_id
