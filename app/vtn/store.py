"""The embedded VTN's objects, in one SQLite file."""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from app.platform import make_private_file
from app.vtn.errors import Conflict, Gone
from app.vtn.wire import Wire, to_json

MAX_REPORTS = 20_000
"""Older reports make way: this VTN is no archive."""
MAX_PAGE_CHARACTERS = 16 << 20
"""Of the objects of a page, which may be shorter than what was asked for."""

SCHEMA = """
PRAGMA journal_mode=WAL;
PRAGMA synchronous=NORMAL;
CREATE TABLE IF NOT EXISTS object (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    client_id TEXT,
    parent TEXT,
    name TEXT,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_by_client ON object (kind, client_id, position);
CREATE INDEX IF NOT EXISTS object_by_parent ON object (kind, parent, name);
"""

Row = TypeVar("Row", bound=tuple[Any, ...])


class VtnStore:
    """Objects by kind and id. `kind` is the objectType in upper case: PROGRAM, EVENT, ...

    `path`: the file, made with its folder when it is first used.
    """

    def __init__(
        self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written within is kept as a whole, or not at all; nobody sees half of it."""
        with self._lock:
            connection = self._open()
            connection.execute("BEGIN")
            try:
                yield
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            make_private_file(self._path)
            connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
            try:
                connection.executescript(SCHEMA)
            except sqlite3.Error:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def add(
        self,
        kind: str,
        body: Wire,
        *,
        client_id: str | None = None,
        parent: str | None = None,
        name: str | None = None,
        unique: bool = False,
        object_id: str | None = None,
    ) -> Wire:
        """Store a new object; with `unique`, Conflict when parent and name are taken.

        `object_id`: the one that it had before, where it is put back.
        """
        with self._lock:
            if unique and self._taken(kind, parent, name):
                raise Conflict(f"a {kind} named {name!r} exists already")
            now = self._clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            meta = {
                "id": object_id or uuid.uuid4().hex,
                "createdDateTime": now,
                "modificationDateTime": now,
            }
            made = {**body, **meta, "objectType": kind}
            self._open().execute(
                "INSERT INTO object (id, kind, client_id, parent, name, body) VALUES (?,?,?,?,?,?)",
                (made["id"], kind, client_id, parent, name, to_json(made).decode()),
            )
            if kind == "REPORT":
                self._open().execute(
                    "DELETE FROM object WHERE kind='REPORT' AND position <= "
                    "(SELECT max(position) FROM object WHERE kind='REPORT') - ?",
                    (MAX_REPORTS,),
                )
            return made

    def _taken(
        self, kind: str, parent: str | None, name: str | None, but: str | None = None
    ) -> bool:
        row = self._open().execute(
            "SELECT 1 FROM object WHERE kind=? AND parent IS ? AND name=? AND id IS NOT ?",
            (kind, parent, name, but),
        )
        return row.fetchone() is not None

    def get(self, kind: str, object_id: str) -> Wire | None:
        """The object, or None."""
        with self._lock:
            row = (
                self._open()
                .execute("SELECT body FROM object WHERE kind=? AND id=?", (kind, object_id))
                .fetchone()
            )
        return None if row is None else json.loads(row[0])

    def replace(
        self,
        kind: str,
        old: Wire,
        body: Wire,
        *,
        client_id: str | None = None,
        parent: str | None = None,
        name: str | None = None,
    ) -> Wire:
        """Give an object a new body; its id, its creation, and what is not given here stay.

        Conflict when `name` is that of another one of its kind and parent; Gone.
        """
        with self._lock:
            if name is not None and self._taken(kind, parent, name, but=old["id"]):
                raise Conflict(f"a {kind} named {name!r} exists already")
            now = self._clock().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            kept = {key: old[key] for key in ("id", "createdDateTime", "objectType")}
            made = {**body, **kept, "modificationDateTime": now}
            written = self._open().execute(
                "UPDATE object SET body=?, name=coalesce(?, name), parent=coalesce(?, parent),"
                " client_id=coalesce(?, client_id) WHERE kind=? AND id=?",
                (to_json(made).decode(), name, parent, client_id, kind, old["id"]),
            )
            if not written.rowcount:
                raise Gone(f"no such {kind}")
            return made

    def remove(self, kind: str, object_id: str) -> None:
        with self._lock:
            self._open().execute("DELETE FROM object WHERE kind=? AND id=?", (kind, object_id))

    def select(
        self,
        kind: str,
        *,
        client_id: str | None = None,
        parent: str | None = None,
        fields: Mapping[str, str] | None = None,
        accept: Callable[[Wire], bool] | None = None,
        skip: int = 0,
        limit: int = 50,
    ) -> list[Wire]:
        """A page of the objects that match, oldest first; `fields`: what their body says there.

        It has at most `limit` objects, and fewer where they are long.
        """
        clauses, values = ["kind=?"], list[str | int]([kind])
        for column, value in (("client_id", client_id), ("parent", parent)):
            if value is not None:
                clauses.append(f"{column}=?")
                values.append(value)
        for field, value in (fields or {}).items():
            clauses.append("json_extract(body, ?)=?")
            values += [f"$.{field}", value]
        # The clauses are constants; what clients give are values.
        query = " ".join(
            ("SELECT body FROM object WHERE", " AND ".join(clauses), "ORDER BY position")
        )
        if accept is None:
            with self._lock:
                query, values = f"{query} LIMIT ? OFFSET ?", [*values, limit, skip]
                rows = list(_page(self._open().execute(query, values)))
            return [json.loads(text) for (text,) in rows]
        with self._lock:
            rows = self._open().execute(query, values).fetchall()
        objects = ((text, json.loads(text)) for (text,) in rows)
        chosen = ((text, body) for text, body in objects if accept(body))
        return [body for _, body in _page(itertools.islice(chosen, skip, skip + limit))]

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _page(rows: Iterable[Row]) -> Iterator[Row]:
    """The first of these, which begin with their text, and as many more as a page holds."""
    length = 0
    for row in rows:
        if length and length + len(row[0]) > MAX_PAGE_CHARACTERS:
            return
        length += len(row[0])
        yield row
