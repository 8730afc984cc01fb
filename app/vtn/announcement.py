"""Announces the VTN by mDNS (Definition, 'Discovery and Configuration of Local VTNs')."""

from __future__ import annotations

import ipaddress
import logging
import socket
from typing import Any

from app.openadr import SERVICE_TYPE

logger = logging.getLogger(__name__)

VERSION = "3.1.0"


class Announcement:
    """Says that a VTN listens on this machine's `port`. Building it does no I/O.

    `interfaces`: addresses of this machine to announce on; none: all that there are.
    """

    def __init__(self, *, name: str, port: int, interfaces: tuple[str, ...] = ()) -> None:
        self._name = name
        self._port = port
        self._interfaces = interfaces
        self._zeroconf: Any = None

    def start(self) -> None:
        """Answer who asks, until `close`."""
        # Here and not above: who announces nothing does not pay for it.
        from zeroconf import InterfaceChoice, ServiceInfo, Zeroconf

        addresses = self._interfaces or own_addresses()
        host = f"{socket.gethostname().split('.')[0]}.local."
        url = f"http://{host.rstrip('.')}:{self._port}"
        info = ServiceInfo(
            SERVICE_TYPE,
            f"{self._name}.{SERVICE_TYPE}",
            port=self._port,
            parsed_addresses=list(addresses),
            server=host,
            properties={
                "version": VERSION,
                "base_path": "",
                "local_url": url,
                "program_names": "",
                "requires_auth": "True",
            },
        )
        self._zeroconf = Zeroconf(
            interfaces=list(self._interfaces) if self._interfaces else InterfaceChoice.All
        )
        self._zeroconf.register_service(info, allow_name_change=True)
        logger.info("VTN: announced as %s, %s", info.name, url)

    def close(self) -> None:
        """Take it back. May be called again."""
        zeroconf, self._zeroconf = self._zeroconf, None
        if zeroconf is not None:
            zeroconf.unregister_all_services()
            zeroconf.close()


def own_addresses() -> tuple[str, ...]:
    """The IPv4 addresses of this machine in its networks; loopback where it has no other."""
    import ifaddr

    addresses = {
        str(ip.ip) for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4
    }
    usable = sorted(
        address for address in addresses if not ipaddress.ip_address(address).is_loopback
    )
    return tuple(usable) or ("127.0.0.1",)
