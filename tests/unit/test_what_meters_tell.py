"""Which payload types real meters serve: as the table of docs/operator/meters.md says."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from app.reporting.requests.quantities import DIRECT, FORECASTS, served
from tests.support.documents import ROOT

PAGE = ROOT / "docs" / "operator" / "meters.md"
ENUMERATED = re.compile(r"([A-Z_]{5,})(?: \((KWH?)\))?")


def table() -> Iterator[tuple[str, str | None, str]]:
    """(payload type, units, what it comes from)."""
    section = PAGE.read_text().split("## What is reported")[1].split("\n### ")[0]
    for line in section.splitlines():
        if line.startswith("| ") and not line.startswith(("| ---", "| payload")):
            names, origin = (cell.strip() for cell in line.strip("|").split("|"))
            for name, units in ENUMERATED.findall(names):
                yield name, units or None, origin


@pytest.mark.parametrize(("payload_type", "units", "origin"), list(table()))
def test_the_documentation_says_what_meters_tell(
    payload_type: str, units: str | None, origin: str
) -> None:
    found = served(payload_type, None, units)

    assert found is not None
    is_known = origin.startswith(("the fleet file", "what its device acknowledges"))
    is_told = not origin.startswith("not told")
    assert found[0].is_described == is_known
    is_measured = found[0].is_measured and payload_type not in FORECASTS
    assert is_measured == (is_told and not is_known)


def test_every_payload_type_that_is_served_is_in_the_table() -> None:
    named = {name for name, _, _ in table()}

    assert named >= {"USAGE_FORECAST", "DEMAND", *DIRECT}
