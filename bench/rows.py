"""What a benchmark measured, as rows of one table."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Row:
    """One figure, measured several times."""

    section: str
    name: str
    values: Sequence[float]
    unit: str
    goal: str = ""
    """What it should reach, in words."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def cells(self) -> tuple[str, ...]:
        spread = f"{_number(min(self.values))} to {_number(max(self.values))}"
        return (
            self.section,
            self.name,
            f"{_number(self.median)} {self.unit}".rstrip(),
            spread if len(self.values) > 1 else "",
            self.goal,
        )


HEADER = ("", "what", "median", "spread", "goal")


def ratio(section: str, name: str, of: Row, to: Row, *, goal: str) -> Row:
    """The ratio of two rows, round by round."""
    values = [a / b for a, b in zip(of.values, to.values, strict=True)]
    return Row(section=section, name=name, values=values, unit="", goal=goal)


def table(rows: Iterable[Row]) -> str:
    """Markdown."""
    shown: list[tuple[str, ...]] = [HEADER]
    last = ""
    for row in rows:
        section, *rest = row.cells()
        shown.append(("" if section == last else section, *rest))
        last = section
    widths = [max(len(cells[place]) for cells in shown) for place in range(len(HEADER))]
    lines = [_line(cells, widths) for cells in shown]
    lines.insert(1, _line(["-" * width for width in widths], widths))
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"


def machine() -> str:
    """Where it was measured, and when."""
    name = _processor() or platform.machine()
    return (
        f"{name}, {os.cpu_count()} cores, {_memory_gb()} GB; {platform.platform(terse=True)},"
        f" Python {platform.python_version()}; {datetime.now(UTC).date().isoformat()}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(found, "")


def _memory_gb() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)


def _number(value: float) -> str:
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value else "0"
