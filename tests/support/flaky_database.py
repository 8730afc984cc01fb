"""Databases whose disk is full now and then, and whose answers are lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

from app.platform import Database, DatabaseError


class FlakyDatabase(Database):
    """The real one; what is written fails when the test says so, and changes nothing then."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.full = False
        """Whether every write fails."""
        self.fails_at: int | None = None
        """Which write fails, counted from 0 since this was set; None: none."""

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        fails = self.full or self.fails_at == 0
        if self.fails_at is not None:
            self.fails_at -= 1
        with super().write(durable=durable) as connection:
            yield connection
            if fails:
                raise DatabaseError("database fleet.db: disk is full")


class LosesAnswers(Database):
    """The connection breaks after COMMIT, and before its answer."""

    loses = False

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        with super().write(durable=durable) as connection:
            yield connection
        if self.loses:
            raise DatabaseError("the server closed the connection")
