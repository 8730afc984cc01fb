"""Load shapes: a year at 15 minutes, for each kind of resource."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from app.fleet import ResourceKind
from app.metering.errors import ProfileError

PROFILE_FILE = Path(__file__).with_name("profiles.npz")
STEP_MINUTES = 15


_UNPACKING = (zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True, kw_only=True, eq=False)
class Profiles:
    """Shapes in per unit of each resource's rated power."""

    kinds: tuple[str, ...]
    sources: tuple[str, ...]
    """Where each shape comes from, in words."""
    per_unit: npt.NDArray[np.float32]
    """Steps x kinds, from -1 (full export) to 1 (full consumption); then a column for each of
    `devices`, in kW."""
    devices: Mapping[str, int] = field(default_factory=dict)
    """By the name of a meter: the column of the real series that its resource follows."""

    @cached_property
    def _sums(self) -> npt.NDArray[np.float64]:
        """Up to each step, all steps before it."""
        zero = np.zeros((1, self.per_unit.shape[1]))
        return np.concatenate([zero, np.cumsum(self.per_unit, axis=0, dtype=np.float64)])

    def mean(self, first: float, until: float) -> npt.NDArray[np.float32]:
        """The mean by kind from one step to another, which may lie in later years."""
        begin = int(first)
        end = max(int(np.ceil(until)), begin + 1)
        mean = (self._sum_to(end) - self._sum_to(begin)) / (end - begin)
        return np.asarray(mean, dtype=np.float32)

    def _sum_to(self, step: int) -> npt.NDArray[np.float64]:
        years, rest = divmod(step, self.steps)
        return np.asarray(years * self._sums[-1] + self._sums[rest])

    def following(self, series: Mapping[str, npt.NDArray[np.float32]]) -> Profiles:
        """With real series, a value in kW for each step, by the names of meters."""
        if not series:
            return self
        columns = [np.resize(each, self.steps) for each in series.values()]
        first = self.per_unit.shape[1]
        return replace(
            self,
            per_unit=np.column_stack([self.per_unit, *columns]),
            devices={device: first + number for number, device in enumerate(series)},
        )

    @property
    def steps(self) -> int:
        """How many steps the data has; the index wraps there."""
        return int(self.per_unit.shape[0])


def load_profiles(path: Path = PROFILE_FILE) -> Profiles:
    """The profiles of a file made by scripts/make_profiles.py. Raises ProfileError."""
    try:
        # Opened here: np.load leaves a file that is damaged open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as data:
            kinds, sources = data["kinds"], data["sources"]
            table = data["per_unit"]
    except (OSError, ValueError, TypeError, KeyError, EOFError, *_UNPACKING) as error:
        raise ProfileError(f"profile file {path} is damaged: {type(error).__name__}") from None
    if table.dtype != np.int16 or table.ndim != 2 or not len(kinds) == len(sources) == len(table):
        raise ProfileError(f"profile file {path} is damaged: its tables do not fit together")
    if table.shape[1] == 0:
        raise ProfileError(f"profile file {path} is damaged: it has no steps")
    missing = set(ResourceKind) - {str(kind) for kind in kinds}
    if missing:
        raise ProfileError(f"profile file {path} has no shape for {min(missing)}")
    return Profiles(
        kinds=tuple(str(kind) for kind in kinds),
        sources=tuple(str(source) for source in sources),
        per_unit=np.ascontiguousarray((table.T / 32767).astype(np.float32)),
    )


def quarter_of_the_year(instant: datetime) -> int:
    """Which step of a year it is in."""
    begin = instant.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return int((instant - begin).total_seconds() // (STEP_MINUTES * 60))
