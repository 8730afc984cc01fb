"""Makes VENs and resources known to the VTN (openadr.md, 'Roles, credentials, enrolment')."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from app.fleet.held_vens import HeldVens
from app.fleet.model import THE_VEN, VEN, Status
from app.fleet.repository import FleetRepository
from app.observability import log_context
from app.openadr import (
    CredentialsError,
    OutcomeUnknown,
    VenCredentials,
    VtnClient,
    VtnDown,
    VtnError,
    VtnRejected,
    VtnUnauthorised,
    VtnVen,
    WireError,
    normalized_name,
)
from app.platform import FanOut, LockPerName, Progress, Shutdown, no_progress

logger = logging.getLogger(__name__)


def nothing_again(_: str) -> bool:
    """What the VTN has lost is left to those who look for it (`LostObjects`)."""
    return False


def everything_again(_: str) -> bool:
    """Somebody wants it: what the VTN has lost is made again."""
    return True


@dataclass(frozen=True, kw_only=True)
class EnrolmentResult:
    """The outcome of enrolling several VENs."""

    enrolled: tuple[str, ...] = ()
    failed: Mapping[str, VtnError] = field(default_factory=dict)
    not_tried: int = 0
    not_listed: VtnError | None = None
    """Why nobody was tried: the list of all VENs could not be read."""

    @property
    def outage(self) -> VtnError | None:
        """The error that says that the VTN could not be asked, and not for one VEN only."""
        unanswered = [error for error in self.failed.values() if not error.answered]
        down = self.not_tried or any(isinstance(error, VtnDown) for error in unanswered)
        return unanswered[0] if unanswered and (down or not self.enrolled) else None

    @property
    def left_undone_by(self) -> VtnError | None:
        """What kept all VENs, or the rest of them, from being enrolled."""
        return self.outage or self.not_listed


class Listed:
    """The ven objects that a client sees at its VTN, found by name and by id."""

    def __init__(self, vens: Sequence[VtnVen]) -> None:
        self.vens = vens
        self._by_name = {normalized_name(ven.ven_name): ven for ven in reversed(vens)}
        self.ids = {ven.ven_id for ven in vens}

    def named(self, ven_name: str) -> VtnVen | None:
        """The one of this name, in whichever way the VTN composes its letters."""
        return self._by_name.get(normalized_name(ven_name))


class Enrolment:
    """Finds, adopts or creates VENs and resources at the VTN, as often as asked.

    `client_for` gives a VEN's client; `held` gets the outcome of each. Safe for several threads;
    one VEN is enrolled by one at a time, so that none is created twice.
    """

    def __init__(
        self,
        *,
        repository: FleetRepository,
        client_for: Callable[[str], VtnClient],
        credentials: VenCredentials,
        shutdown: Shutdown,
        fan_out: FanOut,
        held: HeldVens,
    ) -> None:
        self._held = held
        self._repository = repository
        self._client_for = client_for
        self._credentials = credentials
        self._shutdown = shutdown
        self._fan_out = fan_out
        self.ven_locks = LockPerName()
        """One thing at a time for a VEN: an enrolment, a removal, what a poll reads of its objects,
        and that its events are followed."""
        self._all_at_once = threading.Lock()

    def enrol(
        self,
        ven_name: str,
        listed: Listed | None = None,
        *,
        again: Callable[[str], bool] = nothing_again,
    ) -> VEN:
        """Enrol one VEN of the fleet with its resources, unless it is on its way out.

        `listed`: what the VTN lists, if it is known. `again`: whether what the VTN had once and has
        no more is made again, by the name of the resource, or THE_VEN. Raises VtnError.
        """
        with log_context(ven=ven_name), self.ven_locks(ven_name):
            ven = self._repository.ven(ven_name)
            if ven is None or ven.status is Status.REMOVED:
                return VEN(ven_name=ven_name)  # it was removed meanwhile
            client = self._client_for(ven_name)
            if listed is None or self._is_older(listed, ven):
                listed = Listed(client.vens())
            vtn_ven = self._ven_at_vtn(client, listed, ven.vtn_ven_id, again)
            if vtn_ven is None:
                return ven
            if vtn_ven.ven_id != ven.vtn_ven_id:
                again = everything_again  # the VTN has no resource of a new ven object
                self._repository.remember_ven(ven_name, vtn_ven.ven_id)
            ours = dict(self._resources_at_vtn(client, ven_name, vtn_ven.ven_id, again))
            if self._changed(ven, vtn_ven.ven_id, ours):
                self._repository.approve(ven_name, vtn_ven_id=vtn_ven.ven_id, vtn_resource_ids=ours)
            return self._repository.ven(ven_name) or ven

    def enrol_all(self, vens: Sequence[VEN], progress: Progress = no_progress) -> EnrolmentResult:
        """Enrol several VENs; one that fails does not stop the others."""
        taken_out = (Status.SUSPENDED, Status.REMOVED)
        names = [ven.ven_name for ven in vens if ven.status not in taken_out]
        if not names:
            return EnrolmentResult()
        self._credentials.check(ven.ven_name for ven in self._repository.vens())
        with self._all_at_once:
            return self._enrol_named(names, progress)

    def _enrol_named(self, names: Sequence[str], progress: Progress) -> EnrolmentResult:
        try:
            # One client sees all VENs: one listing serves them all.
            per_ven = self._credentials.per_ven
            shared = None if per_ven else Listed(self._client_for(names[0]).vens())
        except VtnError as error:
            return EnrolmentResult(
                failed={names[0]: error}, not_tried=len(names) - 1, not_listed=error
            )
        tried = 0
        counting = threading.Lock()

        def count() -> None:
            nonlocal tried
            with counting:
                tried += 1
                progress(tried, len(names))

        progress(0, len(names))
        outcomes = self._fan_out(
            random.sample(names, len(names)),  # neighbours by name may fail together
            self._held.watched(lambda name: self.enrol(name, shared), str),
            failure=VtnError,
            done=count,
        )
        return EnrolmentResult(
            enrolled=tuple(name for name, outcome in outcomes if isinstance(outcome, VEN)),
            failed={name: outcome for name, outcome in outcomes if isinstance(outcome, VtnError)},
            not_tried=len(names) - len(outcomes),
        )

    def _ven_at_vtn(
        self,
        client: VtnClient,
        listed: Listed,
        known_id: str | None,
        again: Callable[[str], bool],
    ) -> VtnVen | None:
        """The VEN's object, made where there is none; None: it is gone and not to be made again."""
        named = listed.named(client.ven_name)
        if named is not None:
            return named
        if known_id is not None:  # a list may leave out what is there
            known = VtnVen(ven_id=known_id, ven_name=client.ven_name)
            if not self._is_gone(partial(client.ven, known_id)):
                return known
            if not again(THE_VEN):
                return None
        if self._credentials.per_ven and len(listed.vens) == 1:
            self._refuse_anothers(client.ven_name, listed.vens[0])
            logger.warning(
                "VEN %s: its client has a ven object named %r at the VTN, which is used",
                client.ven_name,
                listed.vens[0].ven_name,
            )
            return listed.vens[0]
        try:
            return client.create_ven()
        except VtnUnauthorised as error:
            if error.status != 403:
                raise
            raise VtnUnauthorised(
                f"the VTN does not let VEN {client.ven_name!r} enrol itself ({error});"
                " its operator must provision it",
                status=403,
            ) from None
        except (VtnRejected, OutcomeUnknown) as error:
            if isinstance(error, VtnRejected) and error.status != 409:
                raise
            named = Listed(client.vens()).named(client.ven_name)
            if named is None:
                raise self._explained(client.ven_name, error) from None
            return named

    def _is_gone(self, ask: Callable[[], object | None]) -> bool:
        """Whether the VTN says that it has nothing under an id that it gave once."""
        try:
            return ask() is None
        except (VtnUnauthorised, WireError):
            return False  # it no longer shows it, or not so that it can be read

    def _is_older(self, listed: Listed, ven: VEN) -> bool:
        """Whether the VEN was enrolled after this listing, by somebody else."""
        return ven.vtn_ven_id is not None and ven.vtn_ven_id not in listed.ids

    def _refuse_anothers(self, ven_name: str, found: VtnVen) -> None:
        for other in self._repository.vens():
            if other.vtn_ven_id == found.ven_id and other.ven_name != ven_name:
                raise CredentialsError(
                    f"VEN {ven_name!r} is the same client as VEN {other.ven_name!r};"
                    " give each its own credentials, or rename one of them"
                )

    def _explained(self, ven_name: str, error: VtnError) -> VtnError:
        if not isinstance(error, VtnRejected):
            return error
        reason = f"VEN {ven_name!r} cannot be created ({error}): "
        if self._credentials.per_ven:
            reason += "the VTN has it already under another client"
        else:
            reason += (
                "the VTN takes one VEN per client, or has this name under another client;"
                " give each VEN its own with {ven_name} in VTN__CLIENT_ID"
            )
        return VtnRejected(reason, status=error.status)

    def _resources_at_vtn(
        self, client: VtnClient, ven_name: str, ven_id: str, again: Callable[[str], bool]
    ) -> Sequence[tuple[str, str]]:
        """The VTN's id of each of our resources; what it never had, or `again`, is created."""
        ours = [
            resource
            for _, resource in self._repository.resources(ven_name)
            if resource.status is not Status.REMOVED
        ]
        if not ours:
            return []
        ids = self._ids_by_name(client, ven_id)
        for resource in ours:
            name, known_id = normalized_name(resource.resource_name), resource.vtn_resource_id
            if name in ids or self._shutdown.is_set():
                continue
            if known_id is not None and not (
                again(resource.resource_name)
                and self._is_gone(partial(client.resource, ven_id, known_id))
            ):
                ids[name] = known_id  # a list may leave out what is there
                continue
            try:
                made = client.create_resource(ven_id, resource.resource_name, resource.attributes())
                ids[name] = made.resource_id
            except (VtnRejected, OutcomeUnknown) as error:
                if isinstance(error, VtnRejected) and error.status != 409:
                    raise
                now = self._ids_by_name(client, ven_id)
                if name not in now:
                    raise
                ids.update(now)
        return [
            (each.resource_name, ids[normalized_name(each.resource_name)])
            for each in ours
            if normalized_name(each.resource_name) in ids
        ]

    def _ids_by_name(self, client: VtnClient, ven_id: str) -> dict[str, str]:
        return {
            normalized_name(resource.resource_name): resource.resource_id
            for resource in client.resources(ven_id)
        }

    def _changed(self, ven: VEN, vtn_ven_id: str, resource_ids: Mapping[str, str]) -> bool:
        if ven.status is Status.PENDING or ven.vtn_ven_id != vtn_ven_id:
            return True
        return any(
            resource.status is Status.PENDING
            or resource.vtn_resource_id != resource_ids.get(resource.resource_name)
            for _, resource in self._repository.resources(ven.ven_name)
            if resource.status is not Status.REMOVED
        )
