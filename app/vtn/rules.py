"""What the embedded VTN allows, in whatever dialect it is asked (Definition, Object Privacy)."""

# Annotations stay evaluated here: FastAPI reads them.
import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Form, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.vtn.store import Conflict, VtnStore
from app.vtn.tokens import BL_SCOPES, VEN_SCOPES, Client, Tokens

Wire = dict[str, Any]
Skip = Annotated[int, Query(ge=0)]
Limit = Annotated[int, Query(ge=0, le=50)]
Targets = Annotated[list[str] | None, Query()]

KINDS = {
    "programs": "PROGRAM",
    "events": "EVENT",
    "reports": "REPORT",
    "vens": "VEN",
    "resources": "RESOURCE",
}
REQUIRED = {
    "PROGRAM": ("programName",),
    "EVENT": ("programID",),
    "REPORT": ("eventID", "clientName", "resources"),
    "VEN": ("objectType", "venName"),
    "RESOURCE": ("objectType", "resourceName", "venID"),
}
SCHEME = "Bearer"
WRITTEN_BY_BL = ("PROGRAM", "EVENT")
FILTERS = {
    "EVENT": ("programID",),
    "REPORT": ("programID", "eventID", "clientName"),
    "VEN": ("venName",),
    "RESOURCE": ("resourceName", "venID"),
}


def problem(status: int, title: str, detail: str | None = None) -> JSONResponse:
    """A problem response (the schema `problem`)."""
    body = {"type": "about:blank", "title": title, "status": status}
    return JSONResponse({**body, "detail": detail} if detail else body, status_code=status)


def token_endpoint(tokens: Tokens) -> Callable[..., JSONResponse]:
    """POST /auth/token (RFC 6749, client credentials in the form)."""

    def auth_token(
        grant_type: Annotated[str, Form()] = "",
        client_id: Annotated[str, Form()] = "",
        client_secret: Annotated[str | None, Form()] = None,
    ) -> JSONResponse:
        if grant_type != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        issued = tokens.issue(client_id, client_secret or "")
        if issued is None:
            return JSONResponse({"error": "invalid_client"}, status_code=401)
        token, client = issued
        return JSONResponse(
            {
                "access_token": token,
                "token_type": SCHEME,
                "expires_in": tokens.lifetime_s,
                "scope": VEN_SCOPES if client.is_ven else BL_SCOPES,
            }
        )

    return auth_token


def who_asks(tokens: Tokens) -> Callable[[Request], Client]:
    """What finds the client behind a request; 401 where there is none."""

    def who(request: Request) -> Client:
        client = tokens.client(request.headers.get("Authorization"))
        if client is None:
            raise HTTPException(401, "no valid bearer token")
        return client

    return who


def answer_problems(api: FastAPI) -> None:
    """Every error leaves as a problem response."""

    @api.exception_handler(HTTPException)
    def http_error(_: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail))

    @api.exception_handler(RequestValidationError)
    def wrong_parameter(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return problem(400, "a parameter is wrong", f"{first['loc'][-1]}: {first['msg']}")

    @api.exception_handler(Conflict)
    def conflict(_: Request, error: Conflict) -> JSONResponse:
        return problem(409, "conflict", str(error))


def kind_of(collection: str) -> str:
    try:
        return KINDS[collection]
    except KeyError:
        raise HTTPException(404, "no such path") from None


def checked(kind: str, raw: bytes, client: Client) -> Wire:
    """The body of a write, if this client may write it."""
    if (kind in WRITTEN_BY_BL) == client.is_ven and kind in (*WRITTEN_BY_BL, "REPORT"):
        raise HTTPException(403, f"the role of this client may not write a {kind}")
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is not an object")
    for name in REQUIRED[kind]:
        if not body.get(name) and body.get(name) != []:
            raise HTTPException(400, f"{name} is required")
    if kind in ("VEN", "RESOURCE"):
        form = f"{'VEN' if client.is_ven else 'BL'}_{kind}_REQUEST"
        if body["objectType"] != form:
            raise HTTPException(400, f"objectType must be {form} for this client")
    return body


def owned(kind: str, body: Wire, client: Client, old: Mapping[str, Any]) -> Wire:
    """With the owner's client id, and with the targets that only business logic may set."""
    if kind in WRITTEN_BY_BL:
        return body
    if client.is_ven:
        written = {name: value for name, value in body.items() if name != "targets"}
        granted = {"targets": old["targets"]} if old.get("targets") else {}
        return {**written, "clientID": client.client_id, **granted}
    if kind == "VEN" and not body.get("clientID"):
        raise HTTPException(400, "clientID is required")
    return body


def create(store: VtnStore, kind: str, body: Wire, client: Client) -> Wire:
    body = owned(kind, body, client, {})
    owner = body.get("clientID")
    if kind == "VEN":
        if store.select("VEN", client_id=str(owner), limit=1):
            raise Conflict(f"client {owner!r} has a ven object already")
        return store.add(kind, body, client_id=owner, name=body["venName"], unique=True)
    if kind == "RESOURCE":
        ven = store.get("VEN", body["venID"])
        if ven is None or (client.is_ven and ven.get("clientID") != client.client_id):
            raise HTTPException(404, "no such ven")
        return store.add(
            kind,
            {**body, "clientID": ven["clientID"]},
            client_id=ven["clientID"],
            parent=body["venID"],
            name=body["resourceName"],
            unique=True,
        )
    if kind == "REPORT":
        event = store.get("EVENT", body["eventID"])
        if event is None:
            raise Conflict("the report names an event that is not there")
        whole = {**body, "programID": event["programID"]}  # lists are filtered by it
        return store.add(kind, whole, client_id=owner, parent=body["eventID"])
    if kind == "EVENT":
        if store.get("PROGRAM", body["programID"]) is None:
            raise Conflict("the event names a program that is not there")
        return store.add(kind, body, parent=body["programID"])
    return store.add(kind, body, name=body["programName"], unique=True)


def find(store: VtnStore, kind: str, object_id: str, client: Client) -> Wire:
    found = store.get(kind, object_id)
    own = found is not None and found.get("clientID") == client.client_id
    hidden = client.is_ven and kind not in WRITTEN_BY_BL and not own
    if found is None or hidden or not visibility(store, kind, client)(found):
        raise HTTPException(404, f"no such {kind}")
    return found


def visibility(store: VtnStore, kind: str, client: Client) -> Callable[[Wire], bool]:
    """A VEN sees programs and events without targets, and those whose targets it was granted."""
    if not client.is_ven or kind not in WRITTEN_BY_BL:
        return lambda _: True

    @functools.cache
    def granted() -> frozenset[str]:
        owned = [
            body
            for kind in ("VEN", "RESOURCE")
            for body in store.select(kind, client_id=client.client_id, limit=100_000)
        ]
        return frozenset(target for body in owned for target in body.get("targets") or ())

    return lambda body: not body.get("targets") or not granted().isdisjoint(body["targets"])


def meets(body: Wire, targets: list[str] | None) -> bool:
    return not targets or not body.get("targets") or bool(set(targets) & set(body["targets"]))
