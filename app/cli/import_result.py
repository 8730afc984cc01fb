"""What came of an import, for people and as JSON."""

from __future__ import annotations

import sys
from typing import Any

from rich.table import Table
from rich.text import Text

from app.cli.terminal import show
from app.intake import ImportResult, Refusal, Refusals
from app.platform import from_us

MAX_SHOWN = 20
"""Series, and reasons."""


def result_as_json(result: ImportResult) -> dict[str, Any]:
    """As `--json` prints it."""
    receipt = result.receipt
    return {
        "is_taken": result.is_taken,
        "taken": receipt.taken,
        "repeated": receipt.repeated,
        "corrected": receipt.corrected,
        "not_told": receipt.not_told,
        "skipped": dict(result.skipped),
        "refused_count": receipt.refusals.count,
        "refused": [str(each) for each in receipt.refusals.first],
        "series": [
            {
                **name._asdict(),
                "values": total.values,
                "first": from_us(total.first_us).isoformat(),
                "last": from_us(total.last_us).isoformat(),
                "kwh": None if total.kwh is None else round(total.kwh, 9),
            }
            for name, total in sorted(result.totals.items())
        ],
    }


def show_result(result: ImportResult, *, dry_run: bool, tell: bool) -> None:
    """A table by series, what was skipped and refused, and one line of what was taken."""
    receipt = result.receipt
    if result.totals:
        table = Table("VEN", "resource", "quantity", "values", "first", "last", "kWh")
        for name, total in sorted(result.totals.items())[:MAX_SHOWN]:
            words = (name.quantity, name.direction, name.channel)
            table.add_row(
                Text(name.ven_name),
                Text(name.resource_name),
                " ".join(word for word in words if word),
                f"{total.values:,}",
                f"{from_us(total.first_us):%Y-%m-%d %H:%M}",
                f"{from_us(total.last_us):%Y-%m-%d %H:%M}",
                "" if total.kwh is None else f"{total.kwh:,.3f}",
            )
        show(table)
        if len(result.totals) > MAX_SHOWN:
            print(f"… and {len(result.totals) - MAX_SHOWN} series more; --json has all")
    for what, count in sorted(result.skipped.items()):
        print(f"skipped: {count:,} values of {what}, which no report can use")
    _show_refusals(receipt.refusals)
    if dry_run:
        print(f"{receipt.taken:,} values could be taken, {receipt.refusals.count:,} not")
    elif result.is_taken:
        print(
            f"{receipt.taken:,} values taken, {receipt.repeated:,} were there already,"
            f" {receipt.corrected:,} correct what was there, {receipt.refusals.count:,} refused"
        )
        if receipt.not_told:
            print(
                f"{receipt.not_told:,} of them are too old to be told one by one; interval reports"
                " have them, and --tell with their first import tells them"
            )
        if tell and receipt.repeated:
            print("what was there already is not told: --tell goes with the first import")
    else:
        print("nothing is taken, since some values are refused; see --keep-good", file=sys.stderr)


def _show_refusals(refusals: Refusals) -> None:
    """Each reason once, with the place where it was met first."""
    by_reason: dict[tuple[str, str, str], list[int]] = {}
    for each in refusals.first:
        by_reason.setdefault((each.file, each.column, each.reason), []).append(each.line)
    for (file, column, reason), lines in list(by_reason.items())[:MAX_SHOWN]:
        others = f" (and {len(lines) - 1:,} more)" if len(lines) > 1 else ""
        print(f"refused: {Refusal(lines[0], column, reason, file)}{others}", file=sys.stderr)
    unnamed = refusals.count - sum(map(len, list(by_reason.values())[:MAX_SHOWN]))
    if unnamed > 0:
        print(f"refused: {unnamed:,} others", file=sys.stderr)
