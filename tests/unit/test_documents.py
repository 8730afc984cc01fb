"""What documents refer to is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READINGS = ROOT / "docs" / "reference" / "openadr.md"
AT_THE_ROOT = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")


def citations() -> Iterator[tuple[str, str]]:
    """(file, heading) of each place in the code that cites our readings of OpenADR."""
    for folder in ("app", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            text = " ".join(path.read_text().split())
            for found in re.finditer(r"openadr\.md,((?: (?:and )?'[^'…]+')+)", text):
                for heading in re.findall(r"'([^']+)'", found[1]):
                    yield str(path.relative_to(ROOT)), heading


def test_each_heading_that_is_cited_is_there() -> None:
    headings = set(re.findall(r"^## (.+)$", READINGS.read_text(), re.MULTILINE))

    cited = list(citations())

    assert len(cited) > 40
    assert [each for each in cited if each[1] not in headings] == []


@pytest.mark.parametrize("name", AT_THE_ROOT)
def test_what_a_document_at_the_root_links_to_is_there(name: str) -> None:
    """Those below docs/ are checked by `make docs`."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / name).read_text())

    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 160
