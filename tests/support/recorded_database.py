"""Databases that tell of their transactions, and that forget those that are not durable."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event

from app.platform import Database


@dataclass(frozen=True)
class Transaction:
    """One transaction that was committed."""

    durable: bool
    statements: tuple[str, ...]
    """With single spaces."""

    def writes(self, *beginnings: str) -> bool:
        """Whether for each of these a statement begins with it."""
        return all(
            any(statement.startswith(beginning) for statement in self.statements)
            for beginning in beginnings
        )


class RecordedDatabase(Database):
    """The real one; keeps what each transaction wrote, in the order of their commits."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.transactions: list[Transaction] = []
        self._of_thread = threading.local()
        event.listen(engine, "before_cursor_execute", self._note)

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        with super().write(durable=durable) as connection:
            statements = self._of_thread.statements = []
            try:
                yield connection
            finally:
                self._of_thread.statements = None
        self.transactions.append(Transaction(durable, tuple(statements)))

    def of(self, beginning: str) -> list[Transaction]:
        """Those with a statement that begins so."""
        return [transaction for transaction in self.transactions if transaction.writes(beginning)]

    def _note(self, _connection: object, _cursor: object, statement: str, *_: Any) -> None:
        statements = getattr(self._of_thread, "statements", None)
        if statements is not None:
            statements.append(" ".join(statement.split()))


class ForgetfulDatabase(Database):
    """The real one, on a machine that fails after each transaction that is not durable."""

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        with super().write() as connection:
            if durable:
                yield connection
            else:
                transaction = connection.begin_nested()
                yield connection
                transaction.rollback()
