"""The embedded VTN's paths (OpenADR 3.1.0): what telemetry needs, kept small."""

# Annotations stay evaluated here: FastAPI reads them, and some name a local dependency.
import functools
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import orjson
from fastapi import Depends, FastAPI, Form, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
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


def make_api(*, store: VtnStore, tokens: Tokens, base_url: str) -> FastAPI:
    """The application. `base_url`: as clients see it, for the token URL."""
    api = FastAPI(title="Embedded VTN", openapi_url=None)
    _answer_problems(api)

    def who(request: Request) -> Client:
        client = tokens.client(request.headers.get("Authorization"))
        if client is None:
            raise HTTPException(401, "no valid bearer token")
        return client

    Who = Annotated[Client, Depends(who)]  # noqa: N806 - a type

    @api.get("/auth/server")
    def auth_server() -> Wire:
        return {"tokenURL": f"{base_url}/auth/token"}

    @api.post("/auth/token")
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

    @api.get("/{collection}")
    def search(
        collection: str,
        request: Request,
        client: Who,
        targets: Targets = None,
        skip: Skip = 0,
        limit: Limit = 50,
    ) -> list[Wire]:
        kind = _kind(collection)
        asked = {
            name: request.query_params[name]
            for name in FILTERS.get(kind, ())
            if name in request.query_params
        }
        may_see = _visibility(store, kind, client)

        def accept(body: Wire) -> bool:
            named = all(body.get(name) == value for name, value in asked.items())
            return named and _meets(body, targets) and may_see(body)

        own = client.is_ven and kind not in WRITTEN_BY_BL
        parent = asked.get({"REPORT": "eventID", "RESOURCE": "venID"}.get(kind, ""))
        return store.select(
            kind,
            client_id=client.client_id if own else None,
            parent=parent,
            accept=accept,
            skip=skip,
            limit=limit,
        )

    @api.post("/{collection}", status_code=201)
    async def create(collection: str, request: Request, client: Who) -> Response:
        kind = _kind(collection)
        body = _checked(kind, await request.body(), client)
        return JSONResponse(_create(store, kind, body, client), status_code=201)

    @api.get("/{collection}/{object_id}")
    def read(collection: str, object_id: str, client: Who) -> Wire:
        return _find(store, _kind(collection), object_id, client)

    @api.put("/{collection}/{object_id}")
    async def update(collection: str, object_id: str, request: Request, client: Who) -> Wire:
        kind = _kind(collection)
        old = _find(store, kind, object_id, client)
        body = _checked(kind, await request.body(), client)
        name = body.get({"VEN": "venName", "RESOURCE": "resourceName"}.get(kind, ""))
        return store.replace(kind, old, _owned(kind, body, client, old), name=name)

    @api.delete("/{collection}/{object_id}")
    def delete(collection: str, object_id: str, client: Who) -> Wire:
        kind = _kind(collection)
        if client.is_ven and kind in WRITTEN_BY_BL:
            raise HTTPException(403, "business logic writes these")
        found = _find(store, kind, object_id, client)
        store.remove(kind, object_id)
        return found

    return api


def _answer_problems(api: FastAPI) -> None:
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


def _kind(collection: str) -> str:
    try:
        return KINDS[collection]
    except KeyError:
        raise HTTPException(404, "no such path") from None


def _checked(kind: str, raw: bytes, client: Client) -> Wire:
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


def _owned(kind: str, body: Wire, client: Client, old: Mapping[str, Any]) -> Wire:
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


def _create(store: VtnStore, kind: str, body: Wire, client: Client) -> Wire:
    body = _owned(kind, body, client, {})
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
        if store.get("EVENT", body["eventID"]) is None:
            raise Conflict("the report names an event that is not there")
        return store.add(kind, body, client_id=owner, parent=body["eventID"])
    if kind == "EVENT":
        if store.get("PROGRAM", body["programID"]) is None:
            raise Conflict("the event names a program that is not there")
        return store.add(kind, body, parent=body["programID"])
    return store.add(kind, body, name=body["programName"], unique=True)


def _find(store: VtnStore, kind: str, object_id: str, client: Client) -> Wire:
    found = store.get(kind, object_id)
    own = found is not None and found.get("clientID") == client.client_id
    hidden = client.is_ven and kind not in WRITTEN_BY_BL and not own
    if found is None or hidden or not _visibility(store, kind, client)(found):
        raise HTTPException(404, f"no such {kind}")
    return found


def _visibility(store: VtnStore, kind: str, client: Client) -> Callable[[Wire], bool]:
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


def _meets(body: Wire, targets: list[str] | None) -> bool:
    return not targets or not body.get("targets") or bool(set(targets) & set(body["targets"]))
