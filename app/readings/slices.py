"""The part of one VEN, copied out of the frames of all."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sqlalchemy import Connection, text

from app.readings.detail import unpack
from app.readings.frame import ROW_BYTES
from app.readings.index import Entry
from app.readings.rosters import RosterBook

MAX_MOVED = 50_000
"""Slices in one transaction, about."""
Spans = Mapping[str, tuple[int, int]]
"""By VEN: the numbers of a first and a last frame."""
Slice = tuple[str, Entry]
"""A VEN's name, and its part of a frame."""


def copy_out(connection: Connection, spans: Spans, rosters: RosterBook) -> list[Slice]:
    """Write each VEN's part of these frames as slices; what was written, in rising order.

    What is too much for one transaction is left to the next call.
    """
    moved: list[Slice] = []
    # One frame at a time: a result that is read while rows are written must not grow.
    seqs = connection.execute(
        text("SELECT seq FROM frame WHERE seq BETWEEN :first AND :last ORDER BY seq LIMIT :most"),
        {
            "first": min(first for first, _ in spans.values()),
            "last": max(last for _, last in spans.values()),
            "most": max(MAX_MOVED // len(spans), 1),
        },
    ).scalars()
    for seq in list(seqs):
        row = connection.execute(text("SELECT * FROM frame WHERE seq = :seq"), {"seq": seq}).one()
        roster = rosters.read(connection, row.roster_id)
        powers = np.frombuffer(row.power_kw, dtype="<f4")
        detail = unpack(row.detail)
        slices = [
            {
                "ven_name": ven_name,
                "seq": seq,
                "taken_at_us": row.taken_at_us,
                "roster_id": row.roster_id,
                "power_kw": powers[roster.columns(ven_name)].tobytes(),
                "detail": detail.part(roster.columns(ven_name)).pack(),
            }
            for ven_name, (first, last) in spans.items()
            if first <= seq <= last
        ]
        if slices:
            connection.execute(text(_INSERT), slices)
        for slice_ in slices:
            size = len(slice_["power_kw"]) + len(slice_["detail"] or b"") + ROW_BYTES
            entry = Entry(seq=seq, taken_at_us=row.taken_at_us, roster_id=row.roster_id, bytes=size)
            moved.append((slice_["ven_name"], entry))
    return moved


_INSERT = (
    "INSERT INTO slice (ven_name, seq, taken_at_us, roster_id, power_kw, detail)"
    " VALUES (:ven_name, :seq, :taken_at_us, :roster_id, :power_kw, :detail)"
)
