"""Push as a whole: asks the VTN how it tells of changes, and keeps that up."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from app.fleet import VEN, HoldsVens, Status
from app.openadr import Notifiers, VtnError, VtnUnauthorised, VtnUnreachable
from app.platform import DatabaseError, PeriodicThread
from app.push.inbox import Inbox
from app.vens import PushTrust

logger = logging.getLogger(__name__)

SOON_S = 10.0
ASKS_AGAIN_S = 300.0
"""How often the VTN is asked how it tells of changes."""


class Channel(Protocol):
    """One kind of push."""

    def serve(self, vens: Sequence[VEN], notifiers: Notifiers) -> None:
        """Have these VENs told of changes. Raises VtnError; what was done stays done."""

    def close(self, timeout_s: float) -> None: ...


class CallbackListener(Protocol):
    """What listens for callbacks."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class HasVens(Protocol):
    """The manager of the VENs, for who asks in their names."""

    @property
    def vens(self) -> Sequence[VEN]: ...


class OffersPush(Protocol):
    """A client that can say how the VTN tells of changes."""

    def notifiers(self) -> Notifiers: ...


class Subscriber:
    """To be called every few seconds: brings what the VENs have up to what they should have."""

    def __init__(
        self,
        *,
        ven_manager: HasVens,
        client_for: Callable[[str], OffersPush],
        channels: Sequence[Channel],
        trust: PushTrust,
        held: HoldsVens,
        monotonic: Callable[[], float],
    ) -> None:
        self._held = held
        self._ven_manager = ven_manager
        self._client_for = client_for
        self._channels = channels
        self._trust = trust
        self._monotonic = monotonic
        self._notifiers = Notifiers()
        self._ask_at_s = -math.inf
        self._asks_as = 0
        self._serve_at_s = [-math.inf for _ in channels]

    def __call__(self) -> None:
        """Look; what the VTN refuses or does not answer is tried again by a later call."""
        try:
            vens = [ven for ven in self._ven_manager.vens if ven.status is Status.APPROVED]
            free = set(self._held.free(ven.ven_name for ven in vens))
            vens = [ven for ven in vens if ven.ven_name in free]
            if vens:
                self._serve(vens)
        except (VtnError, DatabaseError) as error:
            logger.debug("push: %s", error)
        self._trust.log_changes()

    def _serve(self, vens: Sequence[VEN]) -> None:
        now_s = self._monotonic()
        if now_s >= self._ask_at_s:
            self._ask_at_s = now_s + ASKS_AGAIN_S
            asker = vens[self._asks_as % len(vens)].ven_name
            try:
                self._notifiers = self._client_for(asker).notifiers()
            except VtnError as error:
                self._asks_as += 1  # another VEN may be allowed to
                self._ask_at_s = now_s + _pause_s(error)
                raise
        for place, channel in enumerate(self._channels):
            if now_s < self._serve_at_s[place]:
                continue
            try:
                channel.serve(vens, self._notifiers)
            except VtnError as error:
                # What is optional is no reason to ask a VTN that cannot answer again and again.
                self._serve_at_s[place] = now_s + _pause_s(error)
                logger.info("push: %s", error)


def _pause_s(error: VtnError) -> float:
    """Soon, where the VTN was not reached; a VTN that answers so will answer so again."""
    return SOON_S if isinstance(error, VtnUnreachable | VtnUnauthorised) else ASKS_AGAIN_S


class Push:
    """Starts and stops all that belongs to push, in order."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        server: CallbackListener,
        watch: PeriodicThread,
        channels: Sequence[Channel],
        remaining_for_work_s: Callable[[], float],
    ) -> None:
        self._inbox = inbox
        self._server = server
        self._watch = watch
        self._channels = channels
        self._left_s = remaining_for_work_s

    def start(self) -> None:
        """Begin; the VTN is asked on another thread."""
        self._inbox.start()
        self._server.start()
        self._watch.start()

    def close(self) -> None:
        """End subscriptions and connections, within the time that is left. May be called again."""
        self._watch.close(min(1.0, self._left_s()))
        for channel in self._channels:
            channel.close(min(1.0, self._left_s()))
        self._inbox.close(min(1.0, self._left_s()))
        self._server.close()
