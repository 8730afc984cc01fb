"""Columns as the migrations make them, for the tables that stand in the rooms."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Identity, Integer, MetaData, Table


def key_column(name: str) -> Column[int]:
    """A key that the database counts up."""
    kind = BigInteger().with_variant(Integer(), "sqlite")
    return Column(name, kind, Identity(always=True), primary_key=True)


def required_column(name: str, kind: Any, **more: Any) -> Column[Any]:
    """A column that is never null."""
    return Column(name, kind, nullable=False, **more)


def table(metadata: MetaData, name: str, *parts: Any, never_again: bool = False) -> Table:
    """`never_again`: a number of a row that was removed does not come back."""
    return Table(name, metadata, *parts, sqlite_autoincrement=never_again)
