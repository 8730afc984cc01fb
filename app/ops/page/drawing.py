"""Drawings as SVG: when events are active, and which provider depends on which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import groupby

from app.observability import Node
from app.ops.events_view import Bar, EventRow

WIDTH, ROW, LEFT = 1100, 40, 250
MAX_LINES = 8
"""From one box; what more need is written in it, or nothing could be seen."""
BOX_WIDTH, BOX_HEIGHT, COLUMN, GAP, TITLE = 158, 34, 210, 44, 24


def timeline(rows: Sequence[EventRow], now: datetime, start: datetime, end: datetime) -> str:
    """A row per event, with a bar per interval and a line where it is now."""
    height = ROW * (len(rows) + 1) + 8

    def x(instant: datetime) -> float:
        share = (min(max(instant, start), end) - start) / (end - start)
        return LEFT + share * (WIDTH - LEFT - 20)

    parts = [
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' aria-label="When the intervals of events are active; the table below says the same">'
    ]
    for hour in _hours(start, end):
        parts += [
            f'<line x1="{x(hour):.1f}" x2="{x(hour):.1f}" y1="16" y2="{height}"'
            ' stroke="var(--line)"/>',
            f'<text x="{x(hour):.1f}" y="12" text-anchor="middle">{hour:%H:%M}</text>',
        ]
    for place, row in enumerate(rows):
        y = ROW * (place + 1) - 12
        parts += [
            f'<text x="0" y="{y + 9}" font-weight="600">'
            f"{escape(_short(row.event_name or row.event_id, 32))}"
            f"<title>{escape(row.event_id)}</title></text>",
            f'<text x="0" y="{y + 23}" style="fill:var(--quiet);font-size:11px">'
            f"{escape(_short(_meant_for(row), 40))}</text>",
        ]
        for bar in row.bars:
            left = x(bar.start)
            width = max(x(bar.end or end) - left, 2.0)
            fill = "var(--bar)" if bar.holds else "var(--later)"
            parts.append(
                f'<rect x="{left:.1f}" y="{y}" width="{width:.1f}" height="18" rx="3"'
                f' fill="{fill}"><title>{escape(bar.words)}, {bar.start:%H:%M:%S}</title></rect>'
            )
        parts += [
            f'<text x="{x(bar.end or end) + 5:.1f}" y="{y + 13}">{escape(_held(bar))}</text>'
            for bar in row.in_force[:1]
        ]
    parts.append(
        f'<line x1="{x(now):.1f}" x2="{x(now):.1f}" y1="16" y2="{height}"'
        ' stroke="var(--bad)" stroke-width="2"/></svg>'
    )
    return "".join(parts)


def _meant_for(row: EventRow) -> str:
    """Its priority and its targets."""
    priority = "no priority" if row.priority is None else f"priority {row.priority}"
    return f"{priority}; {whom(row)}"


def whom(row: EventRow) -> str:
    """The VEN by its name, where there is one; else the targets."""
    return row.ven_name if row.vens == 1 else ", ".join(row.targets) or "all"


def _held(bar: Bar) -> str:
    """What is active, and until when."""
    lasts = "" if bar.end is None else f" until {bar.end:%H:%M}"
    return f"{_short(bar.words, 32)}{lasts}"


def _hours(start: datetime, end: datetime) -> Iterator[datetime]:
    hour = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while hour < end:
        yield hour
        hour += timedelta(hours=1)


def wiring(nodes: Sequence[Node]) -> str:
    """A column of boxes for each room. Dashed: something stands in for it."""
    columns = [list(own) for _, own in groupby(nodes, key=lambda node: node.room)]
    at = {
        node.name: (4.0 + column * COLUMN, TITLE + place * GAP)
        for column, own in enumerate(columns)
        for place, node in enumerate(own)
    }
    used = Counter(needed for node in nodes for needed in node.needs)
    width = COLUMN * max(len(columns), 1)
    height = TITLE + GAP * max(map(len, columns), default=1) + 4
    parts = [
        f'<svg role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' aria-label="What each provider depends on, room by room; the table below says the same">'
    ]
    for own in columns:
        if own[0].room:
            x, _ = at[own[0].name]
            parts.append(
                f'<rect x="{x - 3}" y="1" width="{BOX_WIDTH + 6}" height="{TITLE + GAP * len(own)}"'
                f' rx="6" fill="none" stroke="var(--line)"/><text x="{x + 6}" y="15"'
                f' style="fill:var(--quiet)">{escape(own[0].room)}</text>'
            )
    for node in nodes:
        parts += [
            _line(at[needed], at[node.name])
            for needed in node.needs
            if needed in at and used[needed] <= MAX_LINES
        ]
    for node in nodes:
        x, y = at[node.name]
        dashed = ' stroke-dasharray="5 3"' if node.overridden_by else ""
        parts.append(
            f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4"'
            f' fill="var(--panel)" stroke="var(--quiet)"{dashed}>'
            f"<title>{escape(_tooltip(node))}</title></rect>"
            f'<text x="{x + 6}" y="{y + 15}" font-weight="600">'
            f"{escape(_short(node.short_name, 22))}</text>"
            f'<text x="{x + 6}" y="{y + 29}" style="fill:var(--quiet);font-size:10px">'
            f"{escape(node.kind)}{_uses(used[node.name])}</text>"
        )
    return "".join([*parts, "</svg>"])


def _line(needed: tuple[float, float], by: tuple[float, float]) -> str:
    """From what is needed to what needs it; within a column, beside it."""
    (from_x, from_y), (to_x, to_y) = needed, by
    start_x = from_x if from_x == to_x else from_x + BOX_WIDTH
    away = -20 if from_x == to_x else 26
    start_y, end_y = from_y + BOX_HEIGHT / 2, to_y + BOX_HEIGHT / 2
    return (
        f'<path fill="none" stroke="var(--line)" d="M{start_x},{start_y}'
        f' C{start_x + away},{start_y} {to_x - abs(away)},{end_y} {to_x},{end_y}"/>'
    )


def _uses(count: int) -> str:
    return f", needed by {count}" if count > MAX_LINES else ""


def _tooltip(node: Node) -> str:
    needs = f" ← {', '.join(node.depends_on)}" if node.depends_on else ""
    instead = f" [overridden by {node.overridden_by}]" if node.overridden_by else ""
    return f"{node.name}: {node.kind} {node.provides}{needs}{instead}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
