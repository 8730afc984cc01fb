"""Drawings as SVG: when events hold, and what is wired to what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from html import escape

from app.observability import Node
from app.ops.events_view import Bar, EventRow

WIDTH, ROW, LEFT = 1100, 40, 250
MOST_LINES = 8
"""From one box; what more need is written in it, or nothing could be seen."""
BOX_WIDTH, BOX_HEIGHT, COLUMN, GAP = 158, 34, 210, 44


def timeline(rows: Sequence[EventRow], now: datetime, start: datetime, end: datetime) -> str:
    """A row per event, with a bar per interval and a line where it is now."""
    height = ROW * (len(rows) + 1) + 8

    def x(instant: datetime) -> float:
        share = (min(max(instant, start), end) - start) / (end - start)
        return LEFT + share * (WIDTH - LEFT - 20)

    parts = [
        f'<svg role="img" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' aria-label="When the intervals of events hold; the table below says the same">'
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
    """What holds, and until when."""
    lasts = "" if bar.end is None else f" until {bar.end:%H:%M}"
    return f"{_short(bar.words, 32)}{lasts}"


def _hours(start: datetime, end: datetime) -> Iterator[datetime]:
    hour = start.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    while hour < end:
        yield hour
        hour += timedelta(hours=1)


def wiring(nodes: Sequence[Node]) -> str:
    """Boxes in columns: what a box needs stands to its left. Dashed: something stands in for it."""
    depth = _depths(nodes)
    columns: dict[int, list[Node]] = {}
    for node in nodes:
        columns.setdefault(depth[node.name], []).append(node)
    at: dict[str, tuple[float, float]] = {}
    for column, own in sorted(columns.items()):
        by_needs = sorted(own, key=lambda node: _mean(at[each][1] for each in _needs(node, at)))
        for place, node in enumerate(by_needs):
            at[node.name] = 4.0 + column * COLUMN, 4.0 + place * GAP
    used = Counter(needed for node in nodes for needed in _needs(node, at))
    width = COLUMN * (max(columns, default=0) + 1)
    height = GAP * max(map(len, columns.values()), default=1) + 8
    parts = [
        f'<svg role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' aria-label="What each provider needs; the table below says the same">'
    ]
    for node in nodes:
        x, y = at[node.name]
        for needed in _needs(node, at):
            if used[needed] > MOST_LINES:
                continue
            from_x, from_y = at[needed]
            parts.append(
                f'<path fill="none" stroke="var(--line)" d="M{from_x + BOX_WIDTH},'
                f"{from_y + BOX_HEIGHT / 2} C{from_x + BOX_WIDTH + 26},{from_y + BOX_HEIGHT / 2}"
                f' {x - 26},{y + BOX_HEIGHT / 2} {x},{y + BOX_HEIGHT / 2}"/>'
            )
    for node in nodes:
        x, y = at[node.name]
        dashed = ' stroke-dasharray="5 3"' if node.overridden_by else ""
        parts.append(
            f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="4"'
            f' fill="var(--panel)" stroke="var(--quiet)"{dashed}>'
            f"<title>{escape(_told(node))}</title></rect>"
            f'<text x="{x + 6}" y="{y + 15}" font-weight="600">{escape(node.name)}</text>'
            f'<text x="{x + 6}" y="{y + 29}" style="fill:var(--quiet);font-size:10px">'
            f"{escape(node.kind)}{_uses(used[node.name])}</text>"
        )
    return "".join([*parts, "</svg>"])


def _uses(count: int) -> str:
    return f", needed by {count}" if count > MOST_LINES else ""


def _told(node: Node) -> str:
    needs = f" ← {', '.join(node.depends_on)}" if node.depends_on else ""
    instead = f" [overridden by {node.overridden_by}]" if node.overridden_by else ""
    return f"{node.name}: {node.kind} {node.provides}{needs}{instead}"


def _needs(node: Node, known: Mapping[str, object]) -> list[str]:
    """The providers that it is given, by name."""
    names = (path.split(".")[0] for path in node.depends_on)
    return [name for name in dict.fromkeys(names) if name in known and name != node.name]


def _depths(nodes: Sequence[Node]) -> dict[str, int]:
    """In which column each stands: to the right of all that it needs."""
    by_name = {node.name: node for node in nodes}
    depth: dict[str, int] = {}

    def of(name: str, above: tuple[str, ...] = ()) -> int:
        if name not in depth:
            inner = [
                of(each, (*above, name))
                for each in _needs(by_name[name], by_name)
                if each not in above
            ]
            depth[name] = 1 + max(inner, default=-1)
        return depth[name]

    for node in nodes:
        of(node.name)
    return depth


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 0.0


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
