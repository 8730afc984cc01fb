"""The capacity of sites: who shares one, and who has to give way (User Guide 8.10.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.control.signals import ControlSignals

Float32 = npt.NDArray[np.float32]
Columns = npt.NDArray[np.intp]
WAYS = ("IMPORT", "EXPORT")
NOBODY = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class SharedCapacity:
    """Resources that share capacities, one array element per resource that has a share in one."""

    held: npt.NDArray[np.bool_]
    """Who has, one element per column."""
    site: Columns
    """Whose capacity each shares, by number."""
    most_kw: npt.NDArray[np.float64]
    """The capacity, one element per site."""


def capacities(signals: ControlSignals, way: str) -> Iterator[SharedCapacity]:
    """The capacities that are limited, IMPORT or EXPORT.

    A site is the resources of a VEN that one event limits. A LIMIT prevails over what was
    subscribed and reserved. Where an event of higher precedence limits a part of a site, that part
    has a capacity of its own, and counts within that of the whole all the same: the second one.
    """
    own = _Limited.of(signals, f"{way}_CAPACITY_LIMIT")
    subscribed = _Limited.of(signals, f"{way}_CAPACITY_SUBSCRIPTION")
    reserved = signals.by_type.get(f"{way}_CAPACITY_RESERVATION")
    if subscribed is not None and reserved is not None:
        subscribed = subscribed.raised_by(reserved)
    limited = own if subscribed is None else subscribed if own is None else own.over(subscribed)
    if limited is None:
        return
    yield _shared(limited.most_kw, limited.place)
    if limited.wider_place is None or limited.wider_kw is None:
        return
    is_part = (limited.wider_place != NOBODY) & np.isin(limited.wider_place, limited.place)
    if not is_part.any():
        return
    is_whole = np.isin(limited.place, limited.wider_place[is_part]) | is_part
    yield _shared(
        np.where(is_part, limited.wider_kw, limited.most_kw),
        np.where(is_whole, np.where(is_part, limited.wider_place, limited.place), NOBODY),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Limited:
    """By which event each resource is limited, and by which one that is meant for more of them."""

    most_kw: Float32
    place: npt.NDArray[np.int32]
    wider_kw: Float32 | None = None
    wider_place: npt.NDArray[np.int32] | None = None

    @classmethod
    def of(cls, signals: ControlSignals, payload_type: str) -> _Limited | None:
        most_kw = signals.by_type.get(payload_type)
        if most_kw is None:
            return None
        wider_kw, wider_place = signals.wider.get(payload_type, (None, None))
        return cls(
            most_kw=most_kw,
            place=signals.event_of[payload_type],
            wider_kw=wider_kw,
            wider_place=wider_place,
        )

    def raised_by(self, reserved: Float32) -> _Limited:
        more_kw = np.nan_to_num(reserved)
        return _Limited(
            most_kw=self.most_kw + more_kw,
            place=self.place,
            wider_kw=None if self.wider_kw is None else self.wider_kw + more_kw,
            wider_place=self.wider_place,
        )

    def over(self, other: _Limited) -> _Limited:
        """Where both limit, the other one is the wider."""
        is_own, is_others = self.place != NOBODY, other.place != NOBODY
        wider_kw = np.where(is_own, other.most_kw, np.nan).astype(np.float32)
        wider_place = np.where(is_own & is_others, other.place, NOBODY)
        for limited, where in ((self, is_own), (other, ~is_own)):
            if limited.wider_place is not None and limited.wider_kw is not None:
                is_known = where & (limited.wider_place != NOBODY)
                wider_kw = np.where(is_known, limited.wider_kw, wider_kw)
                wider_place = np.where(is_known, limited.wider_place, wider_place)
        return _Limited(
            most_kw=np.where(is_own, self.most_kw, other.most_kw),
            place=np.where(is_own, self.place, other.place),
            wider_kw=wider_kw,
            wider_place=wider_place,
        )


def _shared(most_kw: Float32, place: npt.NDArray[np.int32]) -> SharedCapacity:
    held = place != NOBODY
    site = place[held].astype(np.intp)
    most = np.full(int(site.max(initial=NOBODY)) + 1, np.inf)
    np.minimum.at(most, site, most_kw[held])
    return SharedCapacity(held=held, site=site, most_kw=most)
