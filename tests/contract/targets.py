"""An embedded VTN for cases to be sent to, and objects in it that they can be about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from schemathesis.core.parameters import ParameterLocation

from app.vtn import Callbacks, EmbeddedCredentials, EmbeddedVtn
from app.vtn.callbacks import anywhere
from tests.support.broker import Broker
from tests.support.callback import Callback, callback
from tests.support.certificates import make_certificate
from tests.support.servers import free_port

BASES = {"3.1.0": "", "3.0.1": "/openadr3/3.0.1"}
VEN = "client-a"
REFERENCES = ("eventID", "programID", "venID")


class Target:
    """A VTN as cases see it, in one version."""

    def __init__(
        self, vtn: EmbeddedVtn, secrets: EmbeddedCredentials, hook: Callback, version: str
    ):
        self.base_url = vtn.base_url + BASES[version]
        self.session = requests.Session()
        self.session.trust_env = False
        self._is_310 = version == "3.1.0"
        self._hook = hook
        self._made = 0
        self._secrets = {
            "bl": (secrets.bl_client_id, secrets.bl_client_secret),
            "ven": (VEN, secrets.ven_secret),
        }
        self.tokens = {role: self._token(*secret) for role, secret in self._secrets.items()}

    def aim(self, case: Any) -> None:
        """What the file cannot say: ids are those of objects, and a callback answers the echo."""
        ids: dict[str, str] = {}
        if case.path_parameters and _is_valid(case, ParameterLocation.PATH):
            for name in case.path_parameters:
                case.path_parameters[name] = self._existing(name, ids)
        if isinstance(case.body, dict) and _is_valid(case, ParameterLocation.BODY):
            for name in REFERENCES:
                if isinstance(case.body.get(name), str):
                    case.body[name] = self._existing(name, ids)
            for each in case.body.get("objectOperations", ()):
                each["callbackUrl"] = self._hook.url

    def _token(self, client_id: str, secret: str) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
        }
        answer = self.session.post(f"{self.base_url}/auth/token", data=form, timeout=5)
        return str(answer.json()["access_token"])

    def _make(self, role: str, path: str, body: Any) -> str:
        headers = {"Authorization": f"Bearer {self.tokens[role]}"}
        answer = self.session.post(self.base_url + path, json=body, headers=headers, timeout=5)
        assert answer.status_code == 201, (path, body, answer.text)
        return str(answer.json()["id"])

    def _existing(self, name: str, ids: dict[str, str]) -> str:
        """The id of an object of this kind, made for this case."""
        if name not in ids:
            self._made += 1
            ids[name] = self._new(name, f"made-{self._made}", ids)
        return ids[name]

    def _new(self, name: str, label: str, ids: dict[str, str]) -> str:
        if name == "programID":
            return self._make("bl", "/programs", {"programName": label})
        if name == "eventID":
            program = self._existing("programID", ids)
            return self._make("bl", "/events", {"programID": program, "intervals": []})
        if name == "reportID":
            event = self._existing("eventID", ids)
            body = {"eventID": event, "clientName": label, "resources": []}
            return self._make("ven", "/reports", {"programID": ids["programID"], **body})
        if name == "subscriptionID":
            program = self._existing("programID", ids)
            body = {"programID": program, "clientName": label, "objectOperations": []}
            return self._make("bl", "/subscriptions", body)
        if name == "venID":
            form = {"objectType": "BL_VEN_REQUEST", "clientID": label} if self._is_310 else {}
            return self._make("bl", "/vens", {"venName": label, **form})
        ven = self._existing("venID", ids)
        if not self._is_310:
            return self._make("bl", f"/vens/{ven}/resources", {"resourceName": label})
        form = {"objectType": "BL_RESOURCE_REQUEST", "venID": ven}  # of the ven's client
        return self._make("bl", "/resources", {"resourceName": label, **form})


def role_of(case: Any) -> str:
    """A VEN writes reports and its own forms; business logic does all else."""
    form = case.body.get("objectType") if isinstance(case.body, dict) else None
    if str(form).startswith("VEN_"):
        return "ven"
    path = case.operation.path
    writes = case.method in ("POST", "PUT", "DELETE") and path.startswith("/reports")
    return "ven" if writes else "bl"


@contextmanager
def target(directory: Path, version: str) -> Iterator[Target]:
    """A VTN with a broker, and callbacks that may be on this machine."""
    certificate = make_certificate(directory)
    broker = Broker(directory / "broker", anonymous=True)
    broker.start()
    server = EmbeddedVtn(
        directory=directory / "vtn",
        port=free_port(),
        callbacks=Callbacks(verify_tls=certificate.certificate, allows=anywhere),
        broker_url=broker.url,
    )
    with callback(certificate) as hook:
        server.start()
        try:
            yield Target(server, EmbeddedCredentials.of(directory / "vtn"), hook, version)
        finally:
            server.close()
            broker.stop()


def _is_valid(case: Any, location: ParameterLocation) -> bool:
    part = case.meta.components.get(location)
    return part is not None and not part.mode.is_negative
