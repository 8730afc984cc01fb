"""VTNs on the local network (Definition, 'Discovery and Configuration of Local VTNs')."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SERVICE_TYPE = "_openadr3._tcp.local."
ANSWERS_WITHIN_MS = 2_000


@dataclass(frozen=True, kw_only=True)
class FoundVtn:
    """A VTN that announces itself."""

    name: str
    version: str
    url: str
    """What it says of itself; else made of its host, its port and its base path."""
    addresses: tuple[str, ...]
    requires_auth: bool | None
    """None where it does not say."""


def discover(*, for_s: float, interfaces: Sequence[str] = ()) -> list[FoundVtn]:
    """Listen so long for VTNs that announce themselves by mDNS, by name. OSError: no network.

    `interfaces`: addresses of this machine to listen on; none: all.
    """
    # Here and not above: who looks for no VTN does not pay for it.
    from zeroconf import InterfaceChoice, ServiceBrowser, ServiceListener, Zeroconf

    class Listener(ServiceListener):
        def __init__(self) -> None:
            self.names: set[str] = set()

        def add_service(self, _zc: Zeroconf, _type: str, name: str) -> None:
            self.names.add(name)

        def update_service(self, _zc: Zeroconf, _type: str, name: str) -> None:
            self.names.add(name)

        def remove_service(self, _zc: Zeroconf, _type: str, name: str) -> None:
            self.names.discard(name)

    with Zeroconf(interfaces=list(interfaces) or InterfaceChoice.All) as zeroconf:
        listener = Listener()
        browser = ServiceBrowser(zeroconf, SERVICE_TYPE, listener)
        threading.Event().wait(for_s)
        browser.cancel()
        infos = (
            zeroconf.get_service_info(SERVICE_TYPE, name, timeout=ANSWERS_WITHIN_MS)
            for name in sorted(listener.names)
        )
        return [_found(info) for info in infos if info is not None]


def _found(info: Any) -> FoundVtn:
    properties = {_text(name): _text(value) for name, value in info.properties.items()}
    host = str(info.server or "").rstrip(".")
    return FoundVtn(
        name=str(info.name).removesuffix(f".{SERVICE_TYPE}"),
        version=properties.get("version", ""),
        url=properties.get("local_url") or _url(host, info.port, properties),
        addresses=tuple(info.parsed_addresses()),
        requires_auth={"true": True, "false": False}.get(
            properties.get("requires_auth", "").lower()
        ),
    )


def _url(host: str, port: int, properties: Mapping[str, str]) -> str:
    """https, which a VTN has to speak."""
    return f"https://{host}:{port}/{properties.get('base_path', '').strip('/')}".rstrip("/")


def _text(value: bytes | None) -> str:
    """What somebody on the network wrote, fit for a terminal."""
    text = (value or b"").decode(errors="replace")
    return "".join(char for char in text if char.isprintable())
