"""Where a database is, and its errors in one line that says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from app.platform.errors import DatabaseError


def is_server(url: URL) -> bool:
    """Whether it is a server's, and no file's."""
    return url.get_backend_name() != "sqlite"


def file_of(url: URL) -> Path | None:
    """SQLite's file; None where there is a server, or only memory."""
    on_disk = not is_server(url) and url.database not in (None, "", ":memory:")
    return Path(str(url.database)) if on_disk else None


def place(url: URL) -> str:
    """Where it is, without user-info."""
    return str(file_of(url) or f"{url.get_backend_name()}://{url.host}/{url.database}")


def one_line(error: Exception) -> str:
    """What an error says, in its first line; of the driver's, without the statement."""
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    return said.splitlines()[0] if said else "fails"


@contextmanager
def explained(url: URL) -> Iterator[None]:
    """The driver's errors as DatabaseError, in one line that names the database."""
    try:
        yield
    except DBAPIError as error:
        raise DatabaseError(f"database {place(url)}: {one_line(error)}") from error
    except PoolTimeout as error:
        raise DatabaseError(f"database {place(url)}: no connection is free") from error
