"""What a register counted: its differences, without glitches, spikes and changes of the meter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from app.intake.measurement import HOUR_US, Bools, Float64, Int64

TOLERANCE = 1.1
"""Of the power that a device can have: limits are rounded, and clocks differ."""
MAX_DECIMALS = 4
"""By which the resolution of a register is told."""
AGREEING = 3
"""Refused rises that follow from each other, before they are believed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Counted:
    """What a register counted from one value to the next, in order of time."""

    start_us: Int64
    end_us: Int64
    kwh: Float64
    is_estimated: Bools
    """A new meter, or one that was believed after all."""
    refused: int = 0
    """Values that were left out: glitches and spikes."""


def counted(
    at_us: Int64, kwh: Float64, *, limit_kw: float | None, size_kwh: float | None = None
) -> Counted:
    """`at_us` rises. `limit_kw`: more power than that the device cannot have; None: that is not
    known. `size_kwh`: where the register begins again at 0.

    A value below the one before is pending until the next one: if that is back above, it was a
    glitch and is left out; else the register rolled over, or there is a new meter, which counted
    from 0 where the power allows it. A rise that the power does not allow is left out, until
    `AGREEING` of them agree: then there is a gap before the first of them. Nothing is negative.
    """
    power = _Power(limit_kw, _resolution_kwh(kwh))
    rises = np.diff(kwh)
    if bool(
        ((rises >= 0) & (rises <= power.allowed_kwh(np.diff(at_us)))).all()
    ):  # as nearly always
        return Counted(
            start_us=at_us[:-1],
            end_us=at_us[1:],
            kwh=rises,
            is_estimated=np.zeros(len(rises), dtype=np.bool_),
        )
    judge = _Judge(power, size_kwh)
    for at, value in zip(at_us.tolist(), kwh.tolist(), strict=True):
        judge.take(at, value)
    return judge.counted()


class _Power(NamedTuple):
    """What a register may count."""

    limit_kw: float | None
    """More than that the device cannot have; None: that is not known."""
    resolution_kwh: float

    def allowed_kwh(self, length_us: Any) -> Any:
        """In such a time, or in each of an array of times."""
        if self.limit_kw is None:
            return np.full_like(length_us, np.inf, dtype=np.float64)
        return self.limit_kw * TOLERANCE * (length_us / HOUR_US) + self.resolution_kwh


@dataclass(frozen=True, slots=True)
class _Value:
    at_us: int
    kwh: float


class _Judge:
    """Takes the values of a register one after the other."""

    def __init__(self, power: _Power, size_kwh: float | None) -> None:
        self._power = power
        self._size_kwh = size_kwh
        self._last: _Value | None = None
        """The newest value that counts."""
        self._fallen: _Value | None = None
        """A value below it, of which the next one will tell what it is."""
        self._refused: list[_Value] = []
        """Rises that the power does not allow, and that agree with each other."""
        self._spans: list[tuple[int, int, float, bool]] = []
        self._left_out = 0

    def take(self, at_us: int, kwh: float) -> None:
        value, last, fallen = _Value(at_us, kwh), self._last, self._fallen
        if last is None:
            self._last = value
        elif fallen is not None and kwh < last.kwh and kwh >= fallen.kwh:
            self._begin_again(last, fallen)
            self.take(at_us, kwh)
        elif kwh < last.kwh:
            self._left_out += fallen is not None
            self._fallen = value
        else:
            self._left_out += fallen is not None
            self._fallen = None
            self._rise(last, value)

    def counted(self) -> Counted:
        start, end, kwh, estimated = zip(*self._spans, strict=True) if self._spans else ((),) * 4
        return Counted(
            start_us=np.array(start, dtype=np.int64),
            end_us=np.array(end, dtype=np.int64),
            kwh=np.array(kwh, dtype=np.float64),
            is_estimated=np.array(estimated, dtype=np.bool_),
            refused=self._left_out + len(self._refused),
        )

    def _rise(self, last: _Value, value: _Value) -> None:
        if self._is_possible(last, value):
            self._left_out += len(self._refused)
            self._refused = []
            self._count(last, value, value.kwh - last.kwh)
            return
        refused = self._refused
        if refused and not (value.kwh >= refused[-1].kwh and self._is_possible(refused[-1], value)):
            self._left_out += len(refused)
            refused.clear()
        refused.append(value)
        if len(refused) >= AGREEING:
            self._last = refused[0]
            for each in refused[1:]:
                self._count(self._last, each, each.kwh - self._last.kwh, is_estimated=True)
            self._refused = []

    def _begin_again(self, last: _Value, first: _Value) -> None:
        """The register went from the one value to the other, which is below it."""
        self._left_out += len(self._refused)
        self._refused = []
        self._fallen = None
        allowed_kwh = self._power.allowed_kwh(first.at_us - last.at_us)
        if self._size_kwh is not None and last.kwh <= self._size_kwh:
            over_kwh = self._size_kwh - last.kwh + first.kwh
            if over_kwh <= allowed_kwh:
                self._count(last, first, over_kwh)
                return
        if self._power.limit_kw is not None and first.kwh <= allowed_kwh:
            self._count(last, first, first.kwh, is_estimated=True)
            return
        self._last = first

    def _count(
        self, last: _Value, value: _Value, kwh: float, *, is_estimated: bool = False
    ) -> None:
        self._spans.append((last.at_us, value.at_us, kwh, is_estimated))
        self._last = value

    def _is_possible(self, last: _Value, value: _Value) -> bool:
        allowed_kwh = self._power.allowed_kwh(value.at_us - last.at_us)
        return bool(value.kwh - last.kwh <= allowed_kwh)


def _resolution_kwh(kwh: Float64) -> float:
    """The step in which a register counts, by the decimals that it shows."""
    for decimals in range(MAX_DECIMALS):
        if bool((np.abs(kwh - np.round(kwh, decimals)) < 1e-9 * np.maximum(kwh, 1)).all()):
            return float(10.0**-decimals)
    return float(10.0**-MAX_DECIMALS)
