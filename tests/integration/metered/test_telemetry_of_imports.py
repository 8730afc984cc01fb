"""What is imported is told one by one, unless it comes too late."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from app.intake import ImportRequest, profile
from tests.support.metered import QUARTER, MeteredBench

pytestmark = pytest.mark.in_process
USAGE = {"payloadType": "USAGE"}


def import_(bench: MeteredBench, tmp_path: Path, *lines: str, **options: Any) -> None:
    file = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
    head = "device,start,end,quantity,unit,direction,value"
    file.write_text("\n".join([head, *lines]) + "\n")
    request = ImportRequest(files=[file], profile=profile("csv"), source="plant", **options)
    assert bench.container.intake.importer().run(request).is_taken


def line(start: datetime, value: float) -> str:
    end = start + QUARTER
    return f"d-1,{start.isoformat()},{end.isoformat()},ENERGY,KWH,IMPORT,{value}"


def test_what_is_imported_in_time_is_told(bench: MeteredBench, tmp_path: Path) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(hours=1)
    import_(bench, tmp_path, line(begin, 1.5), line(begin + QUARTER, 2.5))

    bench.manager.generate_reports()

    assert bench.told() == {("hall", begin): [1.5], ("hall", begin + QUARTER): [2.5]}


def test_it_is_told_after_it_was_sorted_among_the_others(
    bench: MeteredBench, tmp_path: Path
) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(hours=1)
    import_(bench, tmp_path, line(begin, 1.5))
    compaction = bench.container.intake.compaction()
    while compaction.compact():
        pass

    bench.manager.generate_reports()
    bench.manager.generate_reports()
    while compaction.drop_told():
        pass

    assert bench.told() == {("hall", begin): [1.5]}


def test_what_is_imported_too_late_is_not_told(bench: MeteredBench, tmp_path: Path) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(days=3)
    import_(bench, tmp_path, line(begin, 1.5))

    bench.manager.generate_reports()

    assert bench.reports() == []


def test_but_where_that_is_asked_for_it_is_whenever_it_ended(
    bench: MeteredBench, tmp_path: Path
) -> None:
    begin = bench.ask_for(USAGE)
    bench.clock.advance(days=3)
    before = begin - 8 * QUARTER
    import_(bench, tmp_path, line(before, 1.5), tell=True)

    bench.manager.generate_reports()

    assert bench.told() == {("hall", before): [1.5]}
