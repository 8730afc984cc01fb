"""How a room's container says what it is given."""

from __future__ import annotations

from typing import Any

from dependency_injector import providers


def port(protocol: type = object) -> providers.Dependency[Any]:
    """A provider that the wiring fills in with something that has the methods of this Protocol.

    Without one: with anything, such as a setting, a function, or what the container names itself
    (`ven_manager`, `simulator`, `scheduler`), for which a test may give as little as it uses. The
    Protocol has to be `runtime_checkable`, and to have methods only: a property would be evaluated
    by the check.
    """
    return providers.Dependency(instance_of=protocol)
