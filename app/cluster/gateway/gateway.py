"""What of the gateway runs: the servers of the whole fleet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any

from app.cluster.gateway.errors import GatewayError
from app.intake import SourcesFile
from app.ops import Access
from app.platform import (
    CertificateError,
    Listener,
    PeriodicThread,
    Registry,
    Server,
    ShardClient,
    ShardError,
    SystemdNotifier,
)

logger = logging.getLogger(__name__)


class Gateway:
    """Holds the public ports of a fleet that is cut into shards. Building it does no I/O.

    `watch` says which shards are away. `page_url`, `callback_url`: where the servers listen; None:
    there is none.
    """

    def __init__(
        self,
        *,
        shards: int,
        registry: Registry,
        sources: SourcesFile,
        watch: PeriodicThread,
        client: ShardClient,
        intake: Server,
        page: Listener,
        page_url: str | None,
        site: Callable[[], Any],
        names: Iterable[str],
        callback: Listener,
        callback_url: str | None,
        callback_site: Callable[[], Any],
        notifier: SystemdNotifier,
    ) -> None:
        self._shards = shards
        self._registry = registry
        self._sources = sources
        self._watch = watch
        self._client = client
        self._intake = intake
        self._page = page
        self._page_url = page_url
        self._site = site
        self._names = names
        self._callback = callback
        self._callback_url = callback_url
        self._callback_site = callback_site
        self._notifier = notifier

    def start(self) -> None:
        """Listen and answer.

        ShardError: the fleet is not cut so. SourcesError. GatewayError, IntakeServerError,
        OwnerAwayError: an address, a certificate or GATEWAY__CA cannot be used.
        """
        self._check_shards()
        self._sources.all()
        self._client.pool()
        self._client.owners.all()
        if self._client.owners.problem is not None:
            raise GatewayError(self._client.owners.problem)
        if self._page_url is not None:
            self._listen(self._page, "OPS__PORT", self._page_url)
        if self._callback_url is not None:
            self._listen(self._callback, "CALLBACK__PORT", self._callback_url)
        self._intake.start()
        if self._page_url is not None:
            self._page.serve(Access(self._site(), names=self._names))
            logger.info("the page of all shards is at %s", self._page_url)
        if self._callback_url is not None:
            self._callback.serve(self._callback_site())
        self._watch.start()
        self._notifier.ready()

    def _check_shards(self) -> None:
        cut = self._registry.refuse_another_number(self._shards)
        if self._shards == 1:
            raise ShardError(
                "FLEET__SHARDS: is 1: the one process of the fleet has page and readings itself"
            )
        if cut is None:
            logger.warning("no shard of the fleet in %s has run yet", self._registry.place)

    def close(self) -> None:
        """Stop listening. May be called again."""
        self._notifier.stopping()
        self._intake.close()
        self._callback.close()
        self._page.close()
        self._watch.close()
        self._client.close()
        logger.info("stopped")

    def _listen(self, server: Listener, setting: str, where: str) -> None:
        try:
            server.listen()
        except CertificateError as error:
            raise GatewayError(f"the certificate for {where} cannot be used: {error}") from None
        except OSError as error:
            raise GatewayError(
                f"{where} cannot be listened on: {error.strerror}; choose another {setting}"
            ) from None
