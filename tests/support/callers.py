"""Clients of an embedded VTN, as plain requests."""

from __future__ import annotations

from typing import Any

import requests

from app.vtn import EmbeddedVtn


class Caller:
    """A client of the VTN with a token. `base`: what stands before the paths of its version."""

    def __init__(
        self, vtn: EmbeddedVtn, client_id: str, secret: str, *, base: str = "", scope: str = ""
    ) -> None:
        self._base = vtn.base_url + base
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": secret,
            **({"scope": scope} if scope else {}),
        }
        answer = requests.post(f"{self._base}/auth/token", data=form, timeout=5)
        answer.raise_for_status()
        self.client_id = client_id
        self.granted = answer.json()
        self.token_headers = answer.headers

    def __call__(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        return requests.request(
            method,
            self._base + path,
            json=body,
            params=params,
            headers={"Authorization": f"Bearer {self.granted['access_token']}"},
            timeout=15,
        )

    def make(self, path: str, body: Any) -> dict[str, Any]:
        """Create an object, and fail with the VTN's words if it is not taken."""
        answer = self("POST", path, body)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


def make_event(bl: Caller, **fields: Any) -> dict[str, Any]:
    """An event of the first program."""
    (program, *_) = bl("GET", "/programs").json()
    return bl.make("/events", {"programID": program["id"], **fields})


def listed(caller: Caller, path: str, **query: Any) -> list[str]:
    """The ids of what a search finds."""
    return [each["id"] for each in caller("GET", path, **query).json()]
