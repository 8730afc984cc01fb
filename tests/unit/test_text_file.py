"""Small text files as editors, spreadsheets and orchestrators write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.platform.errors import TextFileError
from app.platform.text_file import MAX_BYTES, read_text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a\nb\n", "a\nb\n"),
        (b"a\r\nb\r\n", "a\nb\n"),
        (b"a\rb\r", "a\nb\n"),
        (b"a\r\rb", "a\n\nb"),
        (b"\xef\xbb\xbfa\n", "a\n"),
        (b"", ""),
    ],
)
def test_there_is_one_kind_of_line_end(tmp_path: Path, content: bytes, text: str) -> None:
    (tmp_path / "file").write_bytes(content)

    assert read_text(tmp_path / "file") == text


def test_one_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with path.open("r+b") as file:
        file.truncate(MAX_BYTES + 1)

    with pytest.raises(TextFileError, match="is larger than 64 MiB"):
        read_text(path)
