"""What listens, or does not."""

from __future__ import annotations

from typing import Protocol


class Server(Protocol):
    """Something that listens: the embedded VTN, or nothing."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class NoServer:
    """Where the VTN is another process, or where health is not served."""

    def start(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Nothing to stop."""
