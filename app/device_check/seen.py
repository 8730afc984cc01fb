"""What a device was seen to do at its connection to the broker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from app.actuation import KEEP_ALIVE_SHARE
from app.device_check.checks import Finding
from app.device_check.packets import Connect, Packet, Publish, Subscribe

QOS_1 = 1
SLACK_S = 1.0


@dataclass(kw_only=True)
class Observed:
    """All of it, in a moment's time by the monotonic clock."""

    topic: str
    """`{prefix}/{ven}/{resource}`."""
    connect: Connect | None = None
    """The last one."""
    qos: int | None = None
    """Of its subscription to its orders; None: it has none."""
    outcomes: list[Publish] = field(default_factory=list)
    last_s: float | None = None
    """When it last sent anything on this connection."""
    longest_silence_s: float = 0.0

    def see(self, packet: Packet, now_s: float) -> None:
        """A packet that it has sent."""
        if isinstance(packet, Connect):
            self.connect, self.last_s, self.qos = packet, None, None
        elif isinstance(packet, Subscribe):
            for filter_, qos in packet.filters:
                if _matches(filter_, f"{self.topic}/desired"):
                    self.qos = qos
        elif isinstance(packet, Publish) and packet.topic == f"{self.topic}/outcome":
            self.outcomes.append(packet)
        if self.last_s is not None:
            self.longest_silence_s = max(self.longest_silence_s, now_s - self.last_s)
        self.last_s = now_s

    def ended(self, now_s: float) -> None:
        """Its connection has, or the check."""
        if self.last_s is not None:
            self.longest_silence_s = max(self.longest_silence_s, now_s - self.last_s)
        self.last_s = None


def connection_findings(seen: Observed, valid_for_s: float) -> Iterator[Finding]:
    """Each sentence of the contract about a connection."""
    connect = seen.connect
    if connect is None:
        return
    yield Finding(
        "it connects with a clean start, and no session that goes on without it",
        connect.is_clean and not connect.session_expiry_s,
        f"clean start: {'yes' if connect.is_clean else 'no'};"
        f" session expiry: {connect.session_expiry_s} s",
    )
    most_s = valid_for_s / KEEP_ALIVE_SHARE
    yield Finding(
        f"its keep-alive is at most an eighth of valid_for, {most_s:g} s",
        0 < connect.keep_alive_s <= most_s,
        f"{connect.keep_alive_s} s" if connect.keep_alive_s else "none",
    )
    yield Finding(
        "it is never silent for longer than its keep-alive",
        seen.longest_silence_s <= connect.keep_alive_s + SLACK_S,
        f"silent for {seen.longest_silence_s:.1f} s",
    )
    yield Finding(
        "it subscribes to its orders with QoS 1",
        seen.qos is not None and seen.qos >= QOS_1,
        "no subscription" if seen.qos is None else f"QoS {seen.qos}",
    )
    yield Finding(
        "it publishes outcomes with QoS 1",
        all(each.qos >= QOS_1 for each in seen.outcomes),
        f"QoS {min((each.qos for each in seen.outcomes), default=QOS_1)}",
    )
    yield Finding(
        "no outcome is retained",
        not any(each.is_retained for each in seen.outcomes),
        "one was",
    )


def _matches(filter_: str, topic: str) -> bool:
    """Whether a filter takes in a topic (MQTT 5, 4.7)."""
    wanted, levels = filter_.split("/"), topic.split("/")
    for place, part in enumerate(wanted):
        if part == "#":
            return True
        if place >= len(levels) or part not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)
