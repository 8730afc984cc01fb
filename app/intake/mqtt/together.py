"""What one meter says on several topics: a value, its unit and its time, put together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.intake.mqtt.inbox import Incoming
from app.intake.topics import Topic

TOGETHER_US = 2_000_000
"""What comes later than this after the first of it does not belong to it."""
MAX_OPEN = 10_000
"""Groups that wait for the rest; of more, the oldest are closed."""


@dataclass(eq=False)
class Group:
    """Messages that belong together, by field."""

    topic: Topic
    device: str
    began_us: int
    """When the first of them came."""
    connected_us: int
    """Since when the connection was there by which they came."""
    messages: dict[str, Incoming] = field(default_factory=dict)


class Together:
    """Puts together what is said on several topics. Used by one thread.

    A value begins a group, or the time where it comes first, which ends the groups before it. What
    else comes goes to the oldest group that has none of its field; without a group it is left out.
    What came by an earlier connection comes again, and is not put together with what comes now.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[int, str], deque[Group]] = {}
        self._count = 0

    def add(self, topic: Topic, device: str, name: str, incoming: Incoming) -> list[Group] | None:
        """Groups that are closed by this message; None: it belongs to none."""
        key = id(topic), device
        groups = self._open.setdefault(key, deque())
        closed = self._without_old(groups, incoming)
        if topic.time_comes_first and name == topic.time_field:
            closed += groups
            groups.clear()
        found = next((group for group in groups if name not in group.messages), None)
        if found is None and _begins(topic, name):
            found = Group(topic, device, incoming.came_us, incoming.connected_us)
            groups.append(found)
            self._count += 1
        if found is not None:
            found.messages[name] = incoming
            incoming.open_in += 1
            if len(found.messages) == len(needed(topic)):
                groups.remove(found)
                closed.append(found)
        self._closed(key, closed)
        if self._count > MAX_OPEN:
            closed += self.close_begun_before(incoming.came_us)
        return closed if found is not None or closed else None

    def close_begun_before(self, instant_us: int) -> list[Group]:
        """Those that get nothing more."""
        closed = []
        for key, groups in list(self._open.items()):
            old = [group for group in groups if group.began_us < instant_us]
            for group in old:
                groups.remove(group)
            self._closed(key, old)
            closed += old
        return closed

    @property
    def has_any(self) -> bool:
        """Whether any group waits for more."""
        return bool(self._open)

    def _without_old(self, groups: deque[Group], incoming: Incoming) -> list[Group]:
        """Closed since too much time passed; those of an earlier connection are given up."""
        closed = []
        for group in list(groups):
            if group.connected_us != incoming.connected_us:
                groups.remove(group)
                self._count -= 1
                _close([group])
            elif incoming.came_us - group.began_us > TOGETHER_US:
                groups.remove(group)
                closed.append(group)
        return closed

    def _closed(self, key: tuple[int, str], closed: Sequence[Group]) -> None:
        self._count -= len(closed)
        _close(closed)
        if not self._open[key]:
            del self._open[key]


def _begins(topic: Topic, name: str) -> bool:
    """Whether a message of this field is the first of what belongs together."""
    if topic.time_comes_first:
        return name == topic.time_field
    return any(value.field == name for value in topic.values)


def _close(groups: Iterable[Group]) -> None:
    for group in groups:
        for incoming in group.messages.values():
            incoming.open_in -= 1


def needed(topic: Topic) -> Mapping[str, None]:
    """The fields of a group."""
    names = [each.field for each in topic.values]
    return dict.fromkeys(filter(None, (*names, topic.time_field, topic.unit_field)))
