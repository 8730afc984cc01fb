"""Kinds of errors that several rooms know."""

from __future__ import annotations


class OperationalError(RuntimeError):
    """What goes wrong outside of this program: one line says it, without a traceback."""


class FailsForAll(Exception):
    """What one of many meets and the others would meet, too: they need not be tried."""
