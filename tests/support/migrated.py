"""A database whose schema is there already: making it takes longer than most tests."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

from app.platform import Database, make_engine


@cache
def _template() -> tempfile.TemporaryDirectory[str]:
    directory = tempfile.TemporaryDirectory(prefix="migrated-")
    database = Database(make_engine(f"sqlite:///{directory.name}/fleet.db"))
    database.open()
    database.close()
    return directory


def put_migrated(file: Path) -> None:
    """An empty database of this version, in a file that is not there yet."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copy(Path(_template().name) / "fleet.db", file)
