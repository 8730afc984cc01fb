"""Each sentence of the device contract about orders, tried at a device (device-contract.md).

Orders of three fleets come to it, with runs of their own; what it answers, and what it does not,
shows which one it holds.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson

from app.actuation import Outcome, OutcomeStatus

LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)
CONNECTS_WITHIN = 4
"""Times `valid_for`."""
NO_ORDERS = b"", b"{", b"[]", b'{"seq": 1}'


@dataclass(frozen=True)
class Finding:
    """What came of one sentence."""

    sentence: str
    holds: bool
    seen: str = ""
    """What was seen instead."""

    def because(self, problem: str) -> Finding:
        """The same, with why."""
        return Finding(self.sentence, self.holds, f"{self.seen} ({problem})")


class Link(Protocol):
    """A way to the device. All methods raise LinkError."""

    can_be_cut: bool
    """Whether the device can be cut off: it comes to us, and not we to it."""

    def send(self, body: bytes, *, kept_s: float) -> None:
        """An order, or what is none; a broker keeps it so long for a device that is not there."""

    def outcome(self, seq: int, *, within_s: float) -> Outcome | None:
        """What the device answers to the order of this seq; None: nothing."""

    def cut(self) -> None:
        """Break its connection, and let it make no other."""

    def mend(self) -> None:
        """Let it connect again."""

    def is_back(self, *, within_s: float) -> bool:
        """Wait until it is connected."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""

    def monotonic(self) -> float:
        """In seconds."""


@dataclass(kw_only=True)
class _Fleet:
    """One that gives orders."""

    run: str
    seq: int

    def next(self) -> int:
        self.seq += 1
        return self.seq


class Checks:
    """Runs them one after the other, each from a device that is its own.

    `valid_for_s`: what the device is set up with. `patience_s`: for so long an answer is waited
    for. `setpoint_kw`: what the device is asked for. `clock`: aware UTC.
    """

    def __init__(
        self,
        link: Link,
        *,
        valid_for_s: float,
        patience_s: float,
        setpoint_kw: float,
        clock: Callable[[], datetime],
    ) -> None:
        self._link = link
        self._valid_for_s = valid_for_s
        self._patience_s = patience_s
        self._setpoint_kw = setpoint_kw
        self._clock = clock
        self._answers = False
        """Whether it answered the last order that it had to take."""
        first = int(clock().timestamp() * 1_000_000)
        self._one, self._other, self._third = (
            _Fleet(run=secrets.token_hex(8), seq=first) for _ in range(3)
        )

    @property
    def lasts_s(self) -> float:
        """About how long they take."""
        cuts = 2 if self._link.can_be_cut else 0
        return (4.25 + cuts) * self._valid_for_s + 14 * self._patience_s

    def run(self) -> Iterator[Finding]:
        """Each as it is found; where the device takes no orders at all, nothing follows."""
        first = self._taken("it answers an order, and accepts it", self._one, self._one.next())
        yield first
        if not first.holds:
            return
        yield from self._while_it_holds()
        yield from self._its_time()
        yield from self._after_a_release()
        yield from self._after_a_time_out()
        if self._link.can_be_cut:
            yield from self._without_a_broker()
        for fleet in (self._one, self._other, self._third):
            self._release(fleet)

    def _while_it_holds(self) -> Iterator[Finding]:
        one, other = self._one, self._other
        yield self._taken("the same order again is answered again", one, one.seq)
        yield self._ignored(
            "an order of the same run with a lower seq is ignored", one, one.seq - 1, holder=one
        )
        yield self._ignored(
            "an order of another run is ignored while one is held", other, other.next(), holder=one
        )
        for words, fleet, seq in (
            ("a release with a lower seq is ignored", one, one.seq - 1),
            ("a release of another run is ignored", other, other.next()),
        ):
            self._send(fleet, seq, is_release=True)
            is_silent = self._link.outcome(seq, within_s=self._patience_s) is None
            held = self._ignored(words, other, other.next(), holder=one)
            seen = held.seen if is_silent else "it answers the release"
            yield Finding(words, held.holds and is_silent, seen)
        for body in NO_ORDERS:
            self._link.send(body, kept_s=self._valid_for_s / 2)
        self._link.wait(self._patience_s)
        yield self._taken("what is no order changes nothing", one, one.seq)
        yield self._taken("a higher seq replaces what it does", one, one.next())

    def _its_time(self) -> Iterator[Finding]:
        """From a device that holds an order of the first fleet."""
        one, other = self._one, self._other
        self._give(one, one.next(), until=LONG_AGO)
        self._link.wait(self._valid_for_s / 2)
        yield self._ignored(
            "it counts valid_s by its own clock: what it is told of the time is for people",
            other,
            other.next(),
            holder=one,
        )
        self._give(one, one.seq)
        written_s = self._link.monotonic()
        self._link.wait(max(0.75 * self._valid_for_s - self._patience_s, 0.0))
        yield self._ignored(
            "the same order again starts its count anew", other, other.next(), holder=one
        )
        self._wait_until(written_s + self._valid_for_s + self._patience_s)
        yield self._taken("after valid_s it is its own again", other, other.next())
        self._give(other, other.next(), valid_s=self._valid_for_s / 4)
        self._link.wait(self._valid_for_s / 4 + self._patience_s)
        yield self._taken("also where valid_s is less than valid_for", one, one.next())
        self._release(one)

    def _after_a_release(self) -> Iterator[Finding]:
        other, third = self._other, self._third
        self._give(other, other.next())
        answer = self._release(other)
        yield Finding("it acknowledges a release", _accepts(answer), _said(answer))
        yield self._taken("after a release it is its own again", third, third.next())
        late = third.seq
        self._release(third)
        ended_s = self._link.monotonic()
        self._link.wait(self._valid_for_s)
        yield self._ignored("an order that comes late brings nothing back", third, late)
        self._wait_until(ended_s + 2 * self._valid_for_s + self._patience_s)
        yield self._taken(
            "twice valid_for after its last order has ended, it knows nothing of it", third, late
        )
        self._release(third)

    def _after_a_time_out(self) -> Iterator[Finding]:
        third = self._third
        late = third.next()
        self._give(third, third.next(), valid_s=self._valid_for_s / 4)
        self._link.wait(self._valid_for_s / 4 + self._patience_s)
        yield self._ignored("nor does one that comes after the last one has run out", third, late)
        self._release(third)

    def _without_a_broker(self) -> Iterator[Finding]:
        one, other, patience_s = self._one, self._other, CONNECTS_WITHIN * self._valid_for_s
        self._link.cut()
        self._link.send(self._body(one, one.next()), kept_s=patience_s)
        self._link.mend()
        is_back = self._link.is_back(within_s=patience_s)
        yield Finding("it connects again after a cut", is_back, f"not within {patience_s:g} s")
        answer = self._link.outcome(one.seq, within_s=self._patience_s)
        yield Finding("and hears at once what holds", _accepts(answer), _said(answer))
        self._give(one, one.next())
        self._link.cut()
        self._link.wait(self._valid_for_s + self._patience_s)
        self._link.mend()
        self._link.is_back(within_s=patience_s)
        yield self._taken("without a broker its order ends all the same", other, other.next())

    def _give(
        self,
        fleet: _Fleet,
        seq: int,
        *,
        until: datetime | None = None,
        valid_s: float | None = None,
    ) -> Outcome | None:
        """What it answers to an order that it has to take."""
        self._send(fleet, seq, until=until, valid_s=valid_s)
        answer = self._link.outcome(seq, within_s=self._patience_s)
        self._answers = answer is not None
        return answer

    def _taken(self, sentence: str, fleet: _Fleet, seq: int) -> Finding:
        """It has to accept."""
        answer = self._give(fleet, seq)
        return Finding(sentence, _accepts(answer), _said(answer))

    def _ignored(
        self, sentence: str, fleet: _Fleet, seq: int, *, holder: _Fleet | None = None
    ) -> Finding:
        """It has to say nothing, though it answers others. `holder`: whose order it holds."""
        if not self._answers:
            return Finding(sentence, False, "it answers nothing")
        self._send(fleet, seq)
        answer = self._link.outcome(seq, within_s=self._patience_s)
        if answer is not None:  # so that what follows finds it as it should be
            self._release(fleet)
            if holder is not None:
                self._give(holder, holder.next())
        return Finding(sentence, answer is None, _said(answer))

    def _release(self, fleet: _Fleet) -> Outcome | None:
        self._send(fleet, fleet.next(), is_release=True)
        return self._link.outcome(fleet.seq, within_s=self._patience_s)

    def _send(self, fleet: _Fleet, seq: int, **how: Any) -> None:
        self._link.send(self._body(fleet, seq, **how), kept_s=self._valid_for_s / 2)

    def _body(
        self,
        fleet: _Fleet,
        seq: int,
        *,
        until: datetime | None = None,
        valid_s: float | None = None,
        is_release: bool = False,
    ) -> bytes:
        now = self._clock()
        holds_s = self._valid_for_s if valid_s is None else valid_s
        return orjson.dumps(
            {
                "run": fleet.run,
                "seq": seq,
                "issued_at": now if until is None else until,
                "until": now + timedelta(seconds=holds_s) if until is None else until,
                "valid_s": holds_s,
                "setpoint_kw": None if is_release else self._setpoint_kw,
                "import_limit_kw": None,
                "export_limit_kw": None,
                "level": None,
                "event_id": None if is_release else "check",
                "reason": "" if is_release else "DISPATCH_SETPOINT",
                "release": is_release,
            },
            option=orjson.OPT_UTC_Z | orjson.OPT_OMIT_MICROSECONDS,
        )

    def _wait_until(self, instant_s: float) -> None:
        self._link.wait(max(instant_s - self._link.monotonic(), 0.0))


def _accepts(answer: Outcome | None) -> bool:
    return answer is not None and answer.status is OutcomeStatus.ACCEPTED


def _said(answer: Outcome | None) -> str:
    return "no answer" if answer is None else f"it answers {answer.status}"
