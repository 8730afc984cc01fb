"""Frames that an event has: told, refused or owed by it, so that nobody hands them over to it."""

from __future__ import annotations

from typing import NamedTuple


class FramePosition(NamedTuple):
    """All frames up to number `seq`, and `column` resources of the next one."""

    seq: int
    column: int = 0


class Span(NamedTuple):
    """The frames above number `after`, up to a position."""

    after: int
    until: FramePosition


Spans = tuple[Span, ...]
"""In rising order, apart from each other."""


def with_span(spans: Spans, added: Span) -> Spans:
    """Both; those that touch are one."""
    if added.until <= FramePosition(added.after):
        return spans
    joined: list[Span] = []
    for span in sorted((*spans, added)):
        if joined and FramePosition(span.after) <= joined[-1].until:
            until = max(joined[-1].until, span.until)
            joined[-1] = Span(joined[-1].after, until)
        else:
            joined.append(span)
    return tuple(joined)


def without(spans: Spans, start: FramePosition, last: int) -> Spans:
    """What is left of them without the frames from a position to number `last`."""
    left: list[Span] = []
    for span in spans:
        before = Span(span.after, min(span.until, start))
        behind = Span(max(span.after, last), span.until)
        left += [part for part in (before, behind) if part.until > FramePosition(part.after)]
    return tuple(dict.fromkeys(left))


def first_missing(
    spans: Spans, start: FramePosition, last: int
) -> tuple[FramePosition, int] | None:
    """Of the frames from a position to number `last`, the first that are in no span: from where,
    and the number of the last of them. None: all are in some."""
    for span in spans:
        if start >= FramePosition(min(last, span.after)):
            start = max(start, span.until)
        else:
            last = min(last, span.after)
    return (start, last) if start < FramePosition(last) else None
