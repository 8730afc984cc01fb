"""What a register counted: its differences, without glitches, spikes and changes of the meter."""

from __future__ import annotations

from dataclasses import dataclass

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
    settled_us: int | None = None
    """The newest value that counts; what is newer may still be left out. None: there is none."""


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
    if len(at_us) < 2:
        return _nothing(int(at_us[0]) if len(at_us) else None)
    resolution = _resolution(kwh)
    rises = np.diff(kwh)
    allowed = _allowed(np.diff(at_us), limit_kw, resolution)
    if bool(((rises >= 0) & (rises <= allowed)).all()):  # as nearly always
        return Counted(
            start_us=at_us[:-1],
            end_us=at_us[1:],
            kwh=rises,
            is_estimated=np.zeros(len(rises), dtype=np.bool_),
            settled_us=int(at_us[-1]),
        )
    judge = _Judge(limit_kw, size_kwh, resolution)
    for at, value in zip(at_us.tolist(), kwh.tolist(), strict=True):
        judge.take(at, value)
    return judge.counted()


@dataclass(frozen=True, slots=True)
class _Value:
    at_us: int
    kwh: float


class _Judge:
    """Takes the values of a register one after the other."""

    def __init__(self, limit_kw: float | None, size_kwh: float | None, resolution: float) -> None:
        self._limit_kw = limit_kw
        self._size_kwh = size_kwh
        self._resolution = resolution
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
            settled_us=None if self._last is None else self._last.at_us,
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
        allowed_kwh = self._allowed_kwh((first.at_us - last.at_us) / HOUR_US)
        if self._size_kwh is not None and last.kwh <= self._size_kwh:
            over_kwh = self._size_kwh - last.kwh + first.kwh
            if over_kwh <= allowed_kwh:
                self._count(last, first, over_kwh)
                return
        if self._limit_kw is not None and first.kwh <= allowed_kwh:
            self._count(last, first, first.kwh, is_estimated=True)
            return
        self._last = first

    def _count(
        self, last: _Value, value: _Value, kwh: float, *, is_estimated: bool = False
    ) -> None:
        self._spans.append((last.at_us, value.at_us, kwh, is_estimated))
        self._last = value

    def _is_possible(self, last: _Value, value: _Value) -> bool:
        hours = (value.at_us - last.at_us) / HOUR_US
        return value.kwh - last.kwh <= self._allowed_kwh(hours)

    def _allowed_kwh(self, hours: float) -> float:
        if self._limit_kw is None:
            return float("inf")
        return self._limit_kw * TOLERANCE * hours + self._resolution


def _allowed(length_us: Int64, limit_kw: float | None, resolution: float) -> Float64:
    if limit_kw is None:
        return np.full(len(length_us), np.inf)
    return np.asarray(limit_kw * TOLERANCE * (length_us / HOUR_US) + resolution)


def _resolution(kwh: Float64) -> float:
    """The step in which a register counts, by the decimals that it shows."""
    for decimals in range(MAX_DECIMALS):
        if bool((np.abs(kwh - np.round(kwh, decimals)) < 1e-9 * np.maximum(kwh, 1)).all()):
            return float(10.0**-decimals)
    return float(10.0**-MAX_DECIMALS)


def _nothing(settled_us: int | None) -> Counted:
    empty = np.zeros(0, dtype=np.int64)
    return Counted(
        start_us=empty,
        end_us=empty,
        kwh=empty.astype(np.float64),
        is_estimated=empty.astype(np.bool_),
        settled_us=settled_us,
    )
