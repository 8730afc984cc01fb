"""The wiring of this room."""

from __future__ import annotations

from dependency_injector import containers, providers

from app.platform import NoServer
from app.vtn.callbacks import Callbacks, anywhere, is_public
from app.vtn.credentials import EmbeddedBusinessCredentials, EmbeddedVenCredentials
from app.vtn.server import EmbeddedVtn


class VtnContainer(containers.DeclarativeContainer):
    """The embedded VTN, and the credentials that it gives."""

    platform = providers.DependenciesContainer()

    embedded = providers.ThreadSafeSingleton(
        EmbeddedVtn,
        directory=platform.settings.provided.vtn_dir,
        port=platform.settings.provided.vtn.embedded_port,
        callbacks=providers.Factory(
            Callbacks,
            verify_tls=platform.settings.provided.vtn.verify_tls,
            allows=providers.Selector(
                platform.settings.provided.vtn.callbacks_go,
                anywhere=providers.Object(anywhere),
                public=providers.Object(is_public),
            ),
        ),
        broker_url=platform.settings.provided.vtn.broker_url,
        broker_tls=platform.settings.provided.vtn.verify_tls,
        announce=platform.settings.provided.vtn.announce,
    )
    ven_credentials = providers.Factory(EmbeddedVenCredentials, platform.settings.provided.vtn_dir)
    business_credentials = providers.Factory(
        EmbeddedBusinessCredentials, platform.settings.provided.vtn_dir
    )
    server = providers.Selector(
        platform.settings.provided.vtn.kind,
        embedded=embedded,
        remote=providers.ThreadSafeSingleton(NoServer),
    )
