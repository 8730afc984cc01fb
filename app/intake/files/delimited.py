"""The rows of delimited text."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise

from app.intake.errors import MeterFileError
from app.intake.files.profile import Profile
from app.intake.files.rows import Row
from app.intake.measurement import Refusals

HEADER_WITHIN = 50
"""Lines, of which one names the columns; what stands before it is left out."""


def delimited_rows(lines: Iterable[str], profile: Profile, refusals: Refusals) -> Iterator[Row]:
    """Each row that is not empty, and has its cells. MeterFileError: the columns are not those of
    the profile."""
    numbered = cells(lines, delimiter=profile.delimiter)
    names = _header(numbered, profile)
    twice = next((name for name in profile.used_columns if names.count(name) > 1), None)
    if twice is not None:
        raise MeterFileError(f"there are two columns {twice!r}")
    needed = max(names.index(name) for name in profile.used_columns) + 1
    for line, row in numbered:
        if not any(cell.strip() for cell in row):
            continue
        if len(row) < needed or any(cell.strip() for cell in row[len(names) :]):
            refusals.add(line, "", f"it has {len(row)} cells, and there are {len(names)} columns")
            continue
        yield line, dict(zip(names, [*row, *[""] * (len(names) - len(row))], strict=False))


def _header(numbered: Iterator[tuple[int, Sequence[str]]], profile: Profile) -> Sequence[str]:
    """The first line that has all the columns of the profile, near the begin of the file."""
    needed = set(profile.used_columns)
    before: list[Sequence[str]] = []
    nearest: tuple[int, int, list[str]] = (0, 1, [])
    for line, row in islice(numbered, HEADER_WITHIN):
        names = [name.strip() for name in row]
        found = len(needed.intersection(names))
        if found == len(needed):
            _check_preamble(before, profile)
            return names
        before.append(names)
        nearest = max(nearest, (found, line, names), key=lambda each: each[0])
    _, line, names = nearest
    missing = next((name for name in profile.used_columns if name not in names), "")
    if not names:  # no line has even one of them
        raise MeterFileError(
            f"there is no column {missing!r}: no line has names of the profile's columns with"
            f" {profile.delimiter!r} between them"
        )
    raise MeterFileError(
        f"line {line}: there is no column {missing!r}; there are {', '.join(names)[:200]}"
    )


def _check_preamble(lines: Sequence[Sequence[str]], profile: Profile) -> None:
    for name, wanted in profile.preamble.items():
        found = next(
            (
                below[names.index(name)]
                for names, below in pairwise(lines)
                if name in names and names.index(name) < len(below)
            ),
            "",
        )
        if found.casefold() != wanted.casefold():
            raise MeterFileError(f"{name} is {found[:40]!r}, and the profile is for {wanted!r}")


def cells(lines: Iterable[str], *, delimiter: str = ",") -> Iterator[tuple[int, Sequence[str]]]:
    """The cells of each line, with its number, counted from 1. MeterFileError: it is no text."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        for row in reader:
            yield reader.line_num, row
    except csv.Error as error:
        raise MeterFileError(f"line {reader.line_num}: {error}") from None
    except UnicodeDecodeError as error:
        raise MeterFileError(f"line {reader.line_num + 1}: it is not {error.encoding}") from None
