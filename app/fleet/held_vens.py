"""VENs whose requests fail: each is left alone for a while, and the others continue."""

from __future__ import annotations

import contextlib
import logging
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from app.openadr import Circuit, CredentialsError, VtnDown, VtnError, VtnUnavailable
from app.platform import DatabaseError

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

MIN_PAUSE_S = 5.0
MAX_PAUSE_S = 300.0
SUSPECTS_AFTER = 3
"""Different VENs that fail in a row: it may be the VTN."""
ASKS_OTHERS = 5
"""When none of them gets an answer either, it is."""
QUIET_S = 60.0
"""Without an answer to anybody, where others cannot be asked."""
MAX_LINES = 10
"""VENs that are named one by one in the log, each time."""


class Fleet(Protocol):
    """Which VENs there are."""

    def count(self) -> int: ...

    def ven_names(self) -> list[str]: ...


@dataclass
class _Hold:
    """A VEN that is left alone."""

    problem: str
    pause_s: float
    until_s: float
    answered: bool
    """Whether the VTN answered: then it is the VEN's own trouble."""
    retried: bool = False
    """Whether somebody tries it now."""
    said: bool = False


@dataclass
class _Inquiry:
    """Whether others are answered."""

    left: int
    answered: bool = False


@runtime_checkable
class HoldsVens(Protocol):
    """Which VENs are held, for those who ask something of the VTN for them."""

    def free(self, ven_names: Iterable[str]) -> list[str]: ...

    def is_held(self, ven_name: str) -> bool: ...

    def problems(self) -> Mapping[str, str]: ...

    def due(self) -> list[str]: ...

    def claim(self, ven_name: str) -> bool: ...

    def give_back(self, ven_name: str) -> None: ...

    def succeeded(self, ven_name: str) -> None: ...

    def failed(self, ven_name: str, error: VtnError) -> None: ...

    def log_changes(self) -> None: ...


class HeldVens:
    """Which VENs are held, since the VTN fails them, and whether it fails all.

    A VEN that fails is held for 5 s, then longer, up to 5 min; it comes back with the first work
    that succeeds. When several VENs in a row get no answer (5xx, time-outs, no JSON), it may be an
    outage, which opens `circuit`: when all VENs fail, or three do and five others that `ask` asks
    something cheap: any answer, a refusal too, says that it is none. Without `ask`, all VENs must
    fail that have no trouble of their own, or eight, and nobody be answered for a minute: VENs that
    time out come in a row when the others have nothing to do. After an outage, nobody is held for
    it.

    `retries`: how many held VENs may be tried at a time, over all that share it. `what`: what of
    the VENs is held, for the log. Safe for several threads.
    """

    def __init__(
        self,
        *,
        what: str,
        circuit: Circuit,
        fleet: Fleet,
        retries: threading.Semaphore,
        monotonic: Callable[[], float],
        ask: Callable[[str], None] | None = None,
    ) -> None:
        self._what = what
        self._circuit = circuit
        self._fleet = fleet
        self._retries = retries
        self._monotonic = monotonic
        self._ask = ask
        self._lock = threading.Lock()
        self._holds: dict[str, _Hold] = {}
        self._failed_in_a_row: dict[str, None] = {}
        self._answered_at_s = monotonic()
        """When the VTN last answered anybody."""
        self._inquiry: _Inquiry | None = None
        self._outages = 0
        """Those of the circuit that are known to be over."""
        self._well_again: list[str] = []

    def free(self, ven_names: Iterable[str]) -> list[str]:
        """Of these, the VENs that are not held; in an outage nobody is."""
        with self._lock:
            if self._is_out():
                return list(ven_names)
            return [name for name in ven_names if name not in self._holds]

    def is_held(self, ven_name: str) -> bool:
        """Whether this VEN is, an outage or not; for who asks often."""
        return ven_name in self._holds

    def problems(self) -> Mapping[str, str]:
        """Why each VEN is held that is; in an outage nobody is."""
        with self._lock:
            if self._is_out():
                return {}
            return {name: hold.problem for name, hold in self._holds.items()}

    def due(self) -> list[str]:
        """The held VENs whose pause is over and whom nobody tries, longest waiting first."""
        now_s = self._monotonic()
        with self._lock:
            if self._is_out():
                return []
            due = [
                (hold.until_s, name)
                for name, hold in self._holds.items()
                if hold.until_s <= now_s and not hold.retried
            ]
        return [name for _, name in sorted(due)]

    def claim(self, ven_name: str) -> bool:
        """Whether the caller may try this held VEN now: it has to, through `watched`."""
        if not self._retries.acquire(blocking=False):
            return False
        with self._lock:
            hold = self._holds.get(ven_name)
            if hold is not None and not hold.retried and hold.until_s <= self._monotonic():
                hold.retried = True
                return True
        self._retries.release()
        return False

    def watched(
        self, work: Callable[[Item], Result], ven_of: Callable[[Item], str]
    ) -> Callable[[Item], Result]:
        """`work`, whose outcome is remembered for the VEN."""

        def attempt(item: Item) -> Result:
            ven_name = ven_of(item)
            try:
                result = work(item)
            except VtnError as error:
                self.failed(ven_name, error)
                raise
            except BaseException:
                self.give_back(ven_name)
                raise
            self.succeeded(ven_name)
            return result

        return attempt

    def give_back(self, ven_name: str) -> None:
        """What was claimed was not tried, or says nothing about the VTN."""
        with self._lock:
            self._end_retry(ven_name)

    def forget(self, ven_name: str) -> None:
        """It is no longer in the fleet."""
        with self._lock:
            self._end_retry(ven_name)
            self._holds.pop(ven_name, None)
            self._failed_in_a_row.pop(ven_name, None)

    def succeeded(self, ven_name: str) -> None:
        """The VTN did what was asked of it for this VEN."""
        self.all_succeeded((ven_name,))

    def all_succeeded(self, ven_names: Sequence[str]) -> None:
        """The same of several."""
        self._answered_at_s = self._monotonic()
        if not self._holds and not self._failed_in_a_row:
            return  # as nearly always
        with self._lock:
            self._failed_in_a_row.clear()
            for name in ven_names:
                self._end_retry(name)
                hold = self._holds.pop(name, None)
                if hold is not None and hold.said:
                    self._well_again.append(name)

    def failed(self, ven_name: str, error: VtnError) -> None:
        """It did not: hold the VEN, and find out whether it is the only one."""
        self.all_failed((ven_name,), error)

    def all_failed(self, ven_names: Sequence[str], error: VtnError) -> None:
        """The same of several, for whom one thing was asked: as suspicious as one of them."""
        if isinstance(error, VtnDown):
            for name in ven_names:
                self.give_back(name)
            return  # it was not asked
        with self._lock:
            for name in ven_names:
                self._end_retry(name)
                self._hold(name, error)
            if isinstance(error, CredentialsError):
                return
            if error.answered:
                self._answered_at_s = self._monotonic()
                self._failed_in_a_row.clear()
                return
            self._failed_in_a_row.update(dict.fromkeys(ven_names[:1]))
        if self._is_outage():
            self._begin_outage()
        elif self._ask is not None and len(self._failed_in_a_row) >= SUSPECTS_AFTER:
            self._ask_others(self._ask)

    def log_changes(self) -> None:
        """Log who is held since the last time, and who has recovered."""
        with self._lock:
            new = [(name, hold) for name, hold in self._holds.items() if not hold.said]
            if self._circuit.is_open:
                new = []  # an outage is one line, and not one of each VEN
            for _, hold in new:
                hold.said = True
            recovered, self._well_again = self._well_again, []
        for name, hold in new[:MAX_LINES]:
            logger.warning(
                "VEN %s: its %s are held and retried, the others continue: %s",
                name,
                self._what,
                hold.problem,
            )
        if len(new) > MAX_LINES:
            logger.warning("and the %s of %d VENs more", self._what, len(new) - MAX_LINES)
        for name in recovered[:MAX_LINES]:
            logger.info("VEN %s: its %s have recovered", name, self._what)
        if len(recovered) > MAX_LINES:
            logger.info("and the %s of %d VENs more", self._what, len(recovered) - MAX_LINES)

    def _is_out(self) -> bool:
        """Whether the VTN counts as down; after that, whom it did not answer is free."""
        if self._circuit.is_open:
            return True
        if self._outages != self._circuit.outages:
            self._outages = self._circuit.outages
            self._failed_in_a_row.clear()
            for name in [name for name, hold in self._holds.items() if not hold.answered]:
                self._end_retry(name)
                del self._holds[name]
        return False

    def _hold(self, ven_name: str, error: VtnError) -> None:
        before, now_s = self._holds.get(ven_name), self._monotonic()
        asked_s = error.retry_after_s if isinstance(error, VtnUnavailable) else 0.0
        if before is None or before.until_s <= now_s:
            pause_s = MIN_PAUSE_S if before is None else min(before.pause_s * 2, MAX_PAUSE_S)
            # Spread, so that many that failed together do not come back together.
            until_s = now_s + pause_s * random.uniform(0.8, 1.0)
        else:  # one moment in which several requests fail is one failure
            pause_s, until_s = before.pause_s, before.until_s
        self._holds[ven_name] = _Hold(
            problem=str(error),
            pause_s=pause_s,
            until_s=max(until_s, now_s + min(asked_s, MAX_PAUSE_S)),
            answered=error.answered,
            said=before is not None and before.said,
        )

    def _end_retry(self, ven_name: str) -> None:
        hold = self._holds.get(ven_name)
        if hold is not None and hold.retried:
            hold.retried = False
            self._retries.release()

    def _ask_others(self, ask: Callable[[str], None]) -> None:
        """Ask as some others, on threads of their own, whether it is the VTN."""
        names = self._fleet.ven_names()
        with self._lock:
            if self._inquiry is not None:
                return
            others = [name for name in names if name not in self._holds] or [
                name for name in names if name not in self._failed_in_a_row
            ]
            asked = random.sample(others, min(len(others), ASKS_OTHERS))
            inquiry = self._inquiry = _Inquiry(left=len(asked)) if asked else None
        for name in asked:
            threading.Thread(
                target=self._ask_as, args=(ask, name, inquiry), name="vtn-suspected", daemon=True
            ).start()

    def _ask_as(self, ask: Callable[[str], None], ven_name: str, inquiry: _Inquiry) -> None:
        answered = True
        try:
            with contextlib.suppress(DatabaseError):  # the tasks meet and say it, too
                self.watched(ask, str)(ven_name)
        except VtnError as error:
            answered = error.answered
        except Exception:
            logger.exception("a defect: VEN %s cannot ask whether it is the VTN", ven_name)
        with self._lock:
            inquiry.left -= 1
            inquiry.answered = inquiry.answered or answered
            if inquiry.left:
                return
            self._inquiry = None
        if not inquiry.answered:
            self._begin_outage()

    def _is_outage(self) -> bool:
        """Whether all failed; where others cannot be asked: all of those that have no trouble of
        their own, or many."""
        with self._lock:
            failed = len(self._failed_in_a_row)
            troubled = sum(
                hold.answered and name not in self._failed_in_a_row
                for name, hold in self._holds.items()
            )
            quiet_s = self._monotonic() - self._answered_at_s
        count = self._fleet.count()
        all_others = count if self._ask is not None else count - troubled
        if failed >= max(all_others, min(SUSPECTS_AFTER, count), 1):
            return True
        many = failed >= SUSPECTS_AFTER + ASKS_OTHERS
        return self._ask is None and many and quiet_s >= QUIET_S

    def _begin_outage(self) -> None:
        with self._lock:
            self._failed_in_a_row.clear()
        self._circuit.open()
