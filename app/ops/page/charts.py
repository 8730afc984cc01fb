"""Charts over time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nicegui import ui

HOUR_S = 3600.0
MIN_SPAN_S = 60.0
"""What a chart spans at the least."""
MAX_POINTS = 300
LINES_OF_WORDS = 4
"""Of spans, so that the words of one do not cover those of the next."""
COLOURS = [
    *("#3d8fd6", "#e0812c", "#3fa45b", "#d1495b", "#8a7fd1", "#b08a3c", "#2fa3a0", "#c06fb5"),
    "#7f8c99",
]
Point = TypeVar("Point")


def line_chart(description: str, *, unit: str, least: float = 0) -> Any:
    """A chart over time; `show_lines` fills it. `least`: between two lines of its axis.

    Its colours can be seen on white and on black.
    """
    grey = "#7b7b7b"
    faint = {"lineStyle": {"color": "rgba(128, 128, 128, 0.25)"}}
    plain = {"axisLabel": {"color": grey, "hideOverlap": True}, "splitLine": faint}
    chart = ui.echart(
        {
            "color": COLOURS,
            "aria": {"enabled": True, "label": {"description": description}},
            "animation": False,
            "useUTC": True,
            "textStyle": {"color": grey},
            "grid": {"left": 70, "right": 20, "top": 60, "bottom": 30},
            "legend": {"top": 0, "type": "scroll", "textStyle": {"color": grey}},
            "tooltip": {
                "trigger": "axis",
                "backgroundColor": "#26323d",
                "textStyle": {"color": "#ffffff"},
            },
            "xAxis": {"type": "time", **plain},
            "yAxis": {"type": "value", "name": unit, "scale": True, "minInterval": least, **plain},
            "series": [],
        }
    )
    return chart.classes("chart").props('role=img aria-label="' + description + '"')


def thinned(points: Sequence[Point]) -> Sequence[Point]:
    """At most so many as can be told apart; the newest is always one of them."""
    step = -(-len(points) // MAX_POINTS)
    return points[::-1][:: max(step, 1)][::-1]


@dataclass(frozen=True)
class MarkedSpan:
    """A time that is marked in a chart, in seconds since 1970."""

    words: str
    start_s: float
    end_s: float

    def as_area(self, earliest_s: float, latest_s: float, line: int) -> list[dict[str, Any]]:
        """Its two ends, within what is drawn; `line`: in which one its words stand."""
        start_s, end_s = (min(max(end, earliest_s), latest_s) for end in (self.start_s, self.end_s))
        return [
            {
                "name": self.words,
                "xAxis": round(start_s * 1000),
                "label": {"offset": [0, 14 * line]},
            },
            {"xAxis": round(end_s * 1000)},
        ]


def show_lines(
    chart: Any, lines: Mapping[str, Sequence[tuple[float, float]]], spans: Sequence[MarkedSpan] = ()
) -> None:
    """By name, points of (seconds since 1970, value); and what is marked behind them."""
    instants_s = [at_s for points in lines.values() for at_s, _ in points]
    newest_s = max(instants_s, default=0.0)
    earliest_s = max(min(instants_s, default=0.0), newest_s - HOUR_S)
    # In the first minute the lines grow from the left.
    latest_s = max(newest_s, earliest_s + MIN_SPAN_S)
    chart.options["xAxis"] |= {"min": round(earliest_s * 1000), "max": round(latest_s * 1000)}
    chart.options["series"] = [
        {
            "name": name,
            "type": "line",
            "showSymbol": len(points) < 3,
            "lineStyle": {"width": 3 if name == "total" else 1.5},
            "data": [[round(at_s * 1000), round(value, 3)] for at_s, value in points],
        }
        for name, points in lines.items()
    ]
    if chart.options["series"]:
        chart.options["series"][0]["markArea"] = {
            "silent": True,
            "itemStyle": {"color": "rgba(128, 128, 128, 0.18)"},
            "label": {"color": "#888888", "position": "insideTopLeft"},
            "data": [
                span.as_area(earliest_s, newest_s, number % LINES_OF_WORDS)
                for number, span in enumerate(spans)
                if span.start_s < newest_s and span.end_s > earliest_s
            ],
        }
    chart.update()
