"""What devices answer to orders, where it is posted."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class TakesOutcomes(Protocol):
    """Who follows what devices answer to orders."""

    def actuator_of_token(self, token: str) -> str | None: ...

    def post(self, actuator: str, body: bytes) -> bool: ...
