"""What listens, or does not."""

from __future__ import annotations

from typing import Protocol


class Server(Protocol):
    """Something that listens: the embedded VTN, or nothing."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class NoServer:
    """Where nothing is served: the VTN is another process, there is no callback, or no push."""

    def start(self) -> None:
        """Nothing to start."""

    def close(self) -> None:
        """Nothing to stop."""
