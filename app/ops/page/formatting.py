"""How the page says numbers and times."""

from __future__ import annotations

from datetime import datetime, timedelta

NOTHING = "-"


def power(kw: float | None) -> str:
    if kw is None:
        return NOTHING
    return f"{kw / 1000:,.2f} MW" if abs(kw) >= 10_000 else f"{kw:,.2f} kW"


def count(number: int) -> str:
    return f"{number:,}"


def seconds(duration_s: float | None) -> str:
    if duration_s is None:
        return NOTHING
    return f"{duration_s * 1000:.0f} ms" if duration_s < 1 else f"{duration_s:,.1f} s"


def ago(then: datetime | None, now: datetime) -> str:
    """How long before now, or after it."""
    if then is None:
        return NOTHING
    passed = now - then
    return f"{span(passed)} ago" if passed >= timedelta(0) else f"in {span(-passed)}"


def span(duration: timedelta) -> str:
    total = int(duration.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if total >= 2 * size:
            return f"{total // size} {unit}"
    return f"{total} s"


def clock(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S}"


def until(instant: datetime | None, now: datetime) -> str:
    """The time of day, with the day where that is another."""
    if instant is None:
        return "no end"
    return f"{instant:%H:%M:%S}" if instant.date() == now.date() else clock(instant)


def shortened(text: str, most: int = 160) -> str:
    """Without control characters, which a VTN's words may hold."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"
