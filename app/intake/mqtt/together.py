"""What one meter says on several topics: a value, its unit and its time, put together."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from app.intake.mqtt.inbox import Incoming
from app.intake.topics import Topic

TOGETHER_S = 2.0
"""What comes later than this after the first of it does not belong to it."""
MAX_OPEN = 10_000
"""Groups that wait for the rest; of more, the oldest are closed."""


@dataclass(eq=False)
class Group:
    """Messages that belong together, by field."""

    topic: Topic
    device: str
    began_s: float
    is_retained: bool
    messages: dict[str, Incoming] = field(default_factory=dict)


class Together:
    """Puts together what is said on several topics. Used by one thread.

    A message goes to the oldest group that has none of its field; where the time comes first, it
    begins a group and ends the ones before it. What was retained, and what is new, are never put
    together: they need not come in order.
    """

    def __init__(self) -> None:
        self._open: dict[tuple[int, str], deque[Group]] = {}
        self._count = 0

    def add(
        self, topic: Topic, device: str, name: str, incoming: Incoming, now_s: float
    ) -> list[Group]:
        """Groups that are closed by this message."""
        key = id(topic), device
        groups = self._open.setdefault(key, deque())
        is_retained = incoming.message.is_retained
        closed: list[Group] = []
        if topic.time_comes_first and name == topic.time_field:
            closed += groups
            groups.clear()
        found = next(
            (
                group
                for group in groups
                if name not in group.messages and group.is_retained == is_retained
            ),
            None,
        )
        if found is None:
            found = Group(topic, device, now_s, is_retained)
            groups.append(found)
            self._count += 1
        found.messages[name] = incoming
        incoming.open_in += 1
        if len(found.messages) == len(needed(topic)):
            groups.remove(found)
            closed.append(found)
        self._count -= len(closed)
        if not groups:
            del self._open[key]
        _close(closed)
        if self._count > MAX_OPEN:
            closed += self.close_older(now_s)
        return closed

    def close_older(self, than_s: float) -> list[Group]:
        """Those that began before this time, and get nothing more."""
        closed = list(self._begun_before(than_s))
        _close(closed)
        self._open = {key: groups for key, groups in self._open.items() if groups}
        self._count -= len(closed)
        return closed

    @property
    def has_any(self) -> bool:
        """Whether any group waits for more."""
        return bool(self._open)

    def _begun_before(self, than_s: float) -> Iterator[Group]:
        for groups in self._open.values():
            while groups and groups[0].began_s < than_s:
                yield groups.popleft()


def _close(groups: Iterable[Group]) -> None:
    for group in groups:
        for incoming in group.messages.values():
            incoming.open_in -= 1


def needed(topic: Topic) -> Mapping[str, None]:
    """The fields of a group."""
    names = [each.field for each in topic.values]
    return dict.fromkeys(filter(None, (*names, topic.time_field, topic.unit_field)))
