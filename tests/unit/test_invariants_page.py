"""The page of invariants: each has a mutation, and what it names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from soak.mutations import MUTATIONS, Mutation

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "developer" / "invariants.md").read_text()
ROWS = dict(
    re.findall(r"^\| (\d+) \| .* \| \[`(\w+)(?:\.py)?`\]\([\w./]+\) \|$", PAGE, re.MULTILINE)
)


def test_every_invariant_is_broken_once() -> None:
    assert [str(each.invariant) for each in MUTATIONS] == list(ROWS) != []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda each: str(each.invariant))
def test_a_mutation_breaks_what_stands_there_and_its_test_is_there(mutation: Mutation) -> None:
    path, *names = mutation.test.split("::")
    name = names[-1] if names else ""
    source = (ROOT / path).read_text()

    assert (ROOT / mutation.file).read_text().count(mutation.code) == 1
    assert ROWS[str(mutation.invariant)] == (name or Path(path).stem)
    assert not name or f"def {name}(" in source
