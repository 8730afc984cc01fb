"""Push by webhooks: each VEN subscribes with a callback of its own (openadr.md, 'Push')."""

from __future__ import annotations

import hmac
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass

from app.fleet import VEN
from app.openadr import Notifiers, VtnClient, VtnError, VtnRejected, VtnUnauthorised
from app.platform import FanOut, LogOnce
from app.push.callback_keys import CallbackKeys
from app.push.inbox import Inbox
from app.vens import PushTrust

logger = logging.getLogger(__name__)

SOURCE = "webhooks"
MAX_ECHO_CHARACTERS = 1024
REFUSED_FOR_S = 300.0
"""How long a VTN that refuses a subscription is not asked for it again."""


@dataclass(frozen=True)
class _Subscription:
    subscription_id: str
    was_asked_back: bool
    """Whether the VTN asked the callback while it was written."""


@dataclass(frozen=True)
class _Refused:
    """What the VTN says of a VEN's subscription."""

    error: VtnError


@dataclass(frozen=True)
class _Unasked:
    """The VTN took subscriptions without asking whether their callback is there."""


class Webhooks:
    """Creates, renews and removes the subscriptions of VENs, and answers what calls back.

    A subscription counts as working when the VTN has asked its callback to say back a value while
    it was written. `public_url`: where the VTN finds the callbacks. `look_again_s`: how often
    it is asked whether it still has a subscription.
    """

    def __init__(
        self,
        *,
        public_url: str,
        keys: CallbackKeys,
        inbox: Inbox,
        trust: PushTrust,
        look_again_s: float,
        program_ids: Callable[[str], frozenset[str]],
        client_for: Callable[[str], VtnClient],
        monotonic: Callable[[], float],
        fan_out: FanOut,
        log_once: LogOnce,
    ) -> None:
        self._public_url = public_url
        self._keys = keys
        self._inbox = inbox
        self._trust = trust
        self.look_again_s = look_again_s
        self._program_ids = program_ids
        self._client_for = client_for
        self._monotonic = monotonic
        self._fan_out = fan_out
        self._by_path: dict[str, str] = {}
        """The VEN of each callback."""
        self._echoed_at_s: dict[str, float] = {}
        self._subscribed: dict[str, dict[str | None, _Subscription]] = {}
        """By VEN: its subscriptions, by program (None: all)."""
        self._looked_at_s: dict[str, float] = {}
        self._not_before_s: dict[str, float] = {}
        self._log_once = log_once

    # What the application does

    def serve(self, vens: Sequence[VEN], notifiers: Notifiers) -> None:
        """Subscribe what is not subscribed; look now and then whether it still is. VtnError."""
        now_s = self._monotonic()
        due = [ven for ven in vens if self._is_due(ven.ven_name, notifiers, now_s)]
        outcomes = self._fan_out(due, lambda ven: self._subscribe(ven.ven_name), failure=VtnError)
        errors = [outcome for _, outcome in outcomes if isinstance(outcome, VtnError)]
        refused = [
            (ven.ven_name, outcome.error)
            for ven, outcome in outcomes
            if isinstance(outcome, _Refused)
        ]
        if refused:
            (name, error), more = refused[0], len(refused) - 1
            others = f" and {more} more" if more else ""
            self._log_once(
                logger,
                logging.WARNING,
                f"push: the VTN does not subscribe VEN {name}{others}: {error}",
                about="push: webhooks that are refused",
            )
        if any(isinstance(outcome, _Unasked) for _, outcome in outcomes):
            self._log_once(
                logger,
                logging.WARNING,
                "push: the VTN takes subscriptions and does not ask their callbacks;"
                " webhooks do not count as working",
            )
        if errors:
            raise errors[0]

    def close(self, timeout_s: float) -> None:
        """Remove the subscriptions, as far as there is time for it. May be called again."""
        subscribed, self._subscribed = self._subscribed, {}
        ids = [
            (name, subscription.subscription_id)
            for name, own in subscribed.items()
            for subscription in own.values()
        ]
        if not ids or timeout_s <= 0:
            return
        pool = ThreadPoolExecutor(
            min(self._fan_out.max_workers, len(ids)), thread_name_prefix="vtn"
        )
        wait([pool.submit(self._unsubscribe, *arguments) for arguments in ids], timeout_s)
        pool.shutdown(wait=False, cancel_futures=True)

    def _is_due(self, ven_name: str, notifiers: Notifiers, now_s: float) -> bool:
        try:
            by_program = self._client_for(ven_name).subscribes_by_program
        except VtnError:
            return True  # met again, and told, where one VEN does not stop the others
        if not (notifiers.webhook or by_program):  # 3.0.1 does not say whether it has webhooks
            self._subscribed.pop(ven_name, None)
            self._trust.lost(SOURCE, [ven_name])
            return False
        if now_s < self._not_before_s.get(ven_name, -math.inf):
            return False
        missing = self._wanted(ven_name, by_program) - self._subscribed.get(ven_name, {}).keys()
        looked_at_s = self._looked_at_s.get(ven_name, -math.inf)
        return bool(missing) or now_s - looked_at_s >= self.look_again_s

    def _wanted(self, ven_name: str, by_program: bool) -> set[str | None]:
        return set(self._program_ids(ven_name)) if by_program else {None}

    def _subscribe(self, ven_name: str) -> _Refused | _Unasked | None:
        """Have the subscriptions that are wanted, those that are there already included."""
        client = self._client_for(ven_name)
        path = self._keys.path(ven_name)
        url = f"{self._public_url}/{path}"
        self._by_path[path] = ven_name
        try:
            found = {
                subscription.program_id: subscription.subscription_id
                for subscription in client.subscriptions()
                if url in subscription.callback_urls
            }
        except (VtnRejected, VtnUnauthorised) as error:
            self._trust.interrupted(SOURCE, [ven_name])
            return self._refused(ven_name, error)
        had = self._subscribed.get(ven_name, {})
        kept = {
            program_id: each
            for program_id, each in had.items()
            if found.get(program_id) == each.subscription_id
        }
        lost = had.keys() - kept.keys()
        if lost:
            self._trust.interrupted(SOURCE, [ven_name])
        wanted = self._wanted(ven_name, client.subscribes_by_program)
        refused = None
        written = wanted - kept.keys()
        for program_id in written:
            began_s = self._monotonic()
            try:
                subscription_id = client.subscribe(
                    callback_url=url,
                    token=self._keys.token(ven_name),
                    program_id=program_id,
                    known=found.get(program_id),
                )
            except (VtnRejected, VtnUnauthorised) as error:
                refused = self._refused(ven_name, error)  # it may be told of its other programs
                continue
            asked = self._echoed_at_s.get(path, -math.inf) >= began_s
            kept[program_id] = _Subscription(subscription_id, was_asked_back=asked)
        self._subscribed[ven_name] = kept
        self._looked_at_s[ven_name] = self._monotonic()
        asked_back = frozenset(
            subscription_id for subscription_id, own in kept.items() if own.was_asked_back
        )
        if wanted and (written or lost):  # what a new program had before is not known
            self._trust.require(SOURCE, {ven_name: wanted})
        self._inbox.ask(self._trust.confirmed(SOURCE, [ven_name], asked_back))
        if wanted <= asked_back:
            return None
        return refused or _Unasked()

    def _refused(self, ven_name: str, error: VtnError) -> _Refused:
        self._not_before_s[ven_name] = self._monotonic() + REFUSED_FOR_S
        return _Refused(error)

    def _unsubscribe(self, ven_name: str, subscription_id: str) -> None:
        try:
            self._client_for(ven_name).unsubscribe(subscription_id)
        except VtnError as error:
            logger.debug("VEN %s: its subscription is left: %s", ven_name, error)

    # What the VTN does

    def echo(self, path: str, query: Mapping[str, str]) -> str | None:
        """The answer to a challenge; None where there is no such callback, or nothing to say."""
        value = query.get("echo")
        if path not in self._by_path or value is None or len(value) > MAX_ECHO_CHARACTERS:
            return None
        self._echoed_at_s[path] = self._monotonic()
        return value

    def allows(self, path: str, authorization: str) -> bool | None:
        """Whether who calls has the token of this callback; None where there is no such one."""
        ven_name = self._by_path.get(path)
        if ven_name is None:
            return None
        right = f"Bearer {self._keys.token(ven_name)}"
        return hmac.compare_digest(authorization.encode(), right.encode())

    def heard(self, path: str, body: bytes) -> None:
        """A notification, from somebody who may call."""
        self._inbox.put([self._by_path[path]], body)
