"""Wakes whoever plans orders."""

from __future__ import annotations

import threading


class OrderSignal:
    """Set by whatever orders follow: events, answers of devices, who takes part, the fleet.

    Safe for several threads; one of them waits.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._is_set = False
        self._is_changed = False

    def changed(self) -> None:
        """What is asked may be something else now."""
        with self._condition:
            self._is_changed = self._is_set = True
            self._condition.notify_all()

    def answered(self) -> None:
        """A device has said something."""
        with self._condition:
            self._is_set = True
            self._condition.notify_all()

    def wait(self, timeout_s: float | None) -> None:
        """Until it is set, but no longer than this; it is not set from then on."""
        with self._condition:
            if not self._is_set:
                self._condition.wait(timeout_s)
            self._is_set = False

    def take_changed(self) -> bool:
        """Whether what is asked may be something else than when this was called last."""
        with self._condition:
            is_changed, self._is_changed = self._is_changed, False
            return is_changed
