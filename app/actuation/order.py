"""Orders: the whole state that a device is asked for, and what it answers (device-contract.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import attrgetter
from typing import Any, NamedTuple

import orjson

from app.control import IDLE_KW

MAX_REASON = 200
"""Characters of a reason that are kept."""
MAX_OUTCOME_BYTES = 4096
MAX_SEQ = (1 << 53) - 1
"""What a JSON number holds exactly everywhere."""


class Key(NamedTuple):
    """Whose an order is."""

    ven_name: str
    resource_name: str

    def __str__(self) -> str:
        return f"VEN {self.ven_name}, resource {self.resource_name!r}"


@dataclass(frozen=True, kw_only=True)
class DesiredState:
    """What a resource is asked to do. None: that is not asked."""

    setpoint_kw: float | None = None
    """Positive consumes, negative exports."""
    import_limit_kw: float | None = None
    """The most that it may consume."""
    export_limit_kw: float | None = None
    """The most that it may export, as a positive number."""
    level: int | None = None
    """The SIMPLE level, 0 to 3."""
    event_id: str | None = None
    event_version: str = ""
    """Another one when the VTN changes the event."""
    reason: str = ""
    """The payload type that decides."""
    ends_at: datetime | None = None
    """When nothing is asked any more, unless something else is by then; None: that is not known."""

    @property
    def is_on(self) -> bool:
        """Whether it is to run."""
        return self.setpoint_kw is not None and abs(self.setpoint_kw) >= IDLE_KW

    def asks_the_same(self, other: DesiredState) -> bool:
        """Whether a device would do the same, for the same event."""
        return bool(_on_the_wire(self) == _on_the_wire(other))

    def is_of_the_same_event(self, other: DesiredState) -> bool:
        """Whether the event is the same, as the VTN has it."""
        return (self.event_id, self.event_version) == (other.event_id, other.event_version)

    def on_the_wire(self) -> dict[str, Any]:
        """As it stands in an order."""
        return {name: getattr(self, name) for name in ON_THE_WIRE}

    def dump(self) -> str:
        """As text, to be stored."""
        return orjson.dumps(self).decode()

    @classmethod
    def load(cls, text: str) -> DesiredState:
        """What `dump` made; fields that are not known are left out."""
        values = orjson.loads(text)
        if values.get("ends_at"):
            values["ends_at"] = datetime.fromisoformat(values["ends_at"])
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})


ON_THE_WIRE = (
    *("setpoint_kw", "import_limit_kw", "export_limit_kw", "level"),
    *("event_id", "reason"),
)
_on_the_wire = attrgetter(*ON_THE_WIRE)


class OrderStatus(StrEnum):
    """Where an order stands."""

    WAITING = "WAITING"
    """The device has not answered."""
    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    RELEASED = "RELEASED"
    """The device is its own again; nothing is asked of it."""


class OutcomeStatus(StrEnum):
    """What a device answers."""

    ACCEPTED = "ACCEPTED"
    REFUSED = "REFUSED"
    OPTED_OUT = "OPTED_OUT"
    OPTED_IN = "OPTED_IN"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """An answer of a device."""

    seq: int
    status: OutcomeStatus
    reason: str = ""
    until: datetime | None = None
    """Of OPTED_OUT: when it ends by itself; None: when the device says so."""

    @property
    def is_about_taking_part(self) -> bool:
        """Whether an owner has opted out, or in again."""
        return self.status in (OutcomeStatus.OPTED_OUT, OutcomeStatus.OPTED_IN)

    @classmethod
    def read(cls, body: bytes) -> Outcome:
        """ValueError, in a few words: it is none."""
        if len(body) > MAX_OUTCOME_BYTES:
            raise ValueError(f"it is larger than {MAX_OUTCOME_BYTES >> 10} KiB")
        try:
            values = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise ValueError("it is no JSON") from None
        if not isinstance(values, dict):
            raise ValueError("it is no JSON object")
        seq = values.get("seq")
        if isinstance(seq, bool) or not isinstance(seq, int) or not 0 <= seq <= MAX_SEQ:
            raise ValueError("its seq is no number of an order")
        try:
            status = OutcomeStatus(str(values.get("status")))
        except ValueError:
            raise ValueError(f"its status is none of {', '.join(OutcomeStatus)}") from None
        reason = values.get("reason")
        return cls(
            seq=seq,
            status=status,
            reason=_printable(reason) if isinstance(reason, str) else "",
            until=_instant(values.get("until")),
        )


class Stored(NamedTuple):
    """What is in a store that nothing measures: counted from the power."""

    kwh: float
    at: datetime


@dataclass(kw_only=True, slots=True)
class Order:
    """What a resource is asked, and what came of it. The OrderBook's own."""

    key: Key
    actuator: str
    seq: int
    desired: DesiredState | None
    """None: it is released."""
    status: OrderStatus
    baseline_kw: float
    """What it did before its first order, until it is released."""
    stored: Stored | None
    """What is in its store, where no meter says it; None: a meter does, or it has none."""
    issued_at: datetime
    """When this one was."""
    switched_at: datetime
    """Since when it is to run, or not to run."""
    valid_for: timedelta
    """The longest for which it was written, or will be."""
    until: datetime
    """Until when it holds, as it was written last; of a release, until when it is repeated; of one
    that is over, since when it is."""
    reason: str = ""
    """Why it was refused."""
    writes: int = 0
    """How often it was written since it was issued, or answered last."""
    is_retained: bool = False
    """Whether a broker may still retain a release that is over."""
    due_s: float = 0.0
    """When it is to be written again, by the monotonic clock."""

    @property
    def is_release(self) -> bool:
        """Whether it gives the device back."""
        return self.desired is None

    @property
    def is_on(self) -> bool:
        """Whether it asks the device to run."""
        return self.desired is not None and self.desired.is_on

    @property
    def is_over(self) -> bool:
        """Whether nothing of it is left to be written."""
        return self.status is OrderStatus.RELEASED

    @property
    def is_unanswered(self) -> bool:
        """Whether the device has let an order go by without a word."""
        return self.status is OrderStatus.WAITING and self.writes > 1

    @property
    def is_settled(self) -> bool:
        """Whether nothing of it is to be written."""
        return self.status is OrderStatus.REFUSED or (self.is_over and not self.is_retained)

    def body(self, run: str, now: datetime) -> bytes:
        """As it is written at this instant."""
        desired = self.desired or DesiredState()
        return orjson.dumps(
            {
                "run": run,
                "seq": self.seq,
                "issued_at": now,
                "until": self.until,
                "valid_s": self.left_s(now),
                **desired.on_the_wire(),
                "release": self.is_release,
            },
            option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS,
        )

    def left_s(self, now: datetime) -> float:
        """How long it holds from now on, s."""
        return round(max((self.until - now) / timedelta(seconds=1), 0.0), 3)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be asked of a resource."""

    actuator: str
    desired: DesiredState
    baseline_kw: float
    """What it did before; of the first order, until it is released."""
    stored: Stored | None = None
    """As in an Order."""


class Answer(NamedTuple):
    """What came of whom."""

    actuator: str
    key: Key
    outcome: Outcome


@dataclass(frozen=True, kw_only=True)
class Written:
    """An order as it goes out now."""

    key: Key
    actuator: str
    seq: int
    body: bytes
    """Empty: nothing is to be retained of it any longer."""
    left_s: float
    """How long it holds."""


@dataclass(kw_only=True)
class OrderCounts:
    """Since the application started."""

    issued: int = 0
    written: int = 0
    accepted: int = 0
    refused: int = 0
    unanswered: int = 0
    """Written again since nothing came back in time."""
    unknown: int = 0
    """Answers to what was never issued, or that are none; none of them was followed."""
    late: int = 0
    """Answers to an order that another one had replaced."""
    lapsed: int = 0
    """Releases that were never acknowledged; the device ended its order by itself."""


def _printable(text: str) -> str:
    return "".join(char for char in text[:MAX_REASON] if char.isprintable())


def _instant(text: object) -> datetime | None:
    """None where it says no instant; one without an offset is none."""
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(text)
        return instant.astimezone(UTC) if instant.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
