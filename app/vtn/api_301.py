"""The embedded VTN's paths of OpenADR 3.0.1 (rules.md, '3.0.1 has not')."""

# Annotations stay evaluated here: FastAPI reads them, and some name a local dependency.
from collections.abc import Callable
from typing import Annotated

import orjson
from fastapi import Depends, FastAPI, Request
from starlette.exceptions import HTTPException

from app.vtn import rules
from app.vtn.store import VtnStore
from app.vtn.tokens import Client, Tokens


def make_api_301(*, store: VtnStore, tokens: Tokens) -> FastAPI:
    """The same objects as OpenADR 3.0.1 shows them: resources under their ven, no clients."""
    api = FastAPI(title="Embedded VTN 3.0.1", openapi_url=None)
    rules.answer_problems(api)
    Who = Annotated[Client, Depends(rules.who_asks(tokens))]  # noqa: N806 - a type

    api.post("/auth/token")(rules.token_endpoint(tokens))

    def listed(
        kind: str, request: Request, client: Client, skip: int, limit: int, parent: str | None
    ) -> list[rules.Wire]:
        query = request.query_params
        asked = {name: query[name] for name in rules.FILTERS.get(kind, ()) if name in query}
        kind_of_target = query.get("targetType")
        wanted = query.getlist("targetValues")
        may_see = _visibility_301(client)

        def accept(body: rules.Wire) -> bool:
            named = all(body.get(name) == value for name, value in asked.items())
            return named and may_see(body) and _meets_301(body, kind_of_target, wanted)

        own = client.is_ven and kind not in rules.WRITTEN_BY_BL
        found = store.select(
            kind,
            client_id=client.client_id if own else None,
            parent=parent,
            accept=accept,
            skip=skip,
            limit=limit,
        )
        return [_as_301(each) for each in found]

    @api.get("/vens/{ven_id}/resources")
    def resources(
        ven_id: str, request: Request, client: Who, skip: rules.Skip = 0, limit: rules.Limit = 50
    ) -> list[rules.Wire]:
        rules.find(store, "VEN", ven_id, client)
        return listed("RESOURCE", request, client, skip, limit, ven_id)

    @api.post("/vens/{ven_id}/resources", status_code=201)
    async def create_resource(ven_id: str, request: Request, client: Who) -> rules.Wire:
        body = _from_301("RESOURCE", await _json(request), client)
        return _as_301(rules.create(store, "RESOURCE", {**body, "venID": ven_id}, client))

    @api.get("/{collection}")
    def search(
        collection: str,
        request: Request,
        client: Who,
        skip: rules.Skip = 0,
        limit: rules.Limit = 50,
    ) -> list[rules.Wire]:
        kind = _kind_301(collection)
        parent = request.query_params.get("eventID") if kind == "REPORT" else None
        return listed(kind, request, client, skip, limit, parent)

    @api.post("/{collection}", status_code=201)
    async def create(collection: str, request: Request, client: Who) -> rules.Wire:
        kind = _kind_301(collection)
        body = _from_301(kind, await _json(request), client)
        if kind == "REPORT" and not body.get("programID"):
            raise HTTPException(400, "programID is required")
        if kind == "EVENT" and not isinstance(body.get("intervals"), list):
            raise HTTPException(400, "intervals is required")
        checked = rules.checked(kind, orjson.dumps(body), client)
        return _as_301(rules.create(store, kind, checked, client))

    @api.get("/{collection}/{object_id}")
    def read(collection: str, object_id: str, client: Who) -> rules.Wire:
        return _as_301(rules.find(store, _kind_301(collection), object_id, client))

    @api.put("/{collection}/{object_id}")
    async def update(collection: str, object_id: str, request: Request, client: Who) -> rules.Wire:
        kind = _kind_301(collection)
        old = rules.find(store, kind, object_id, client)
        body = rules.checked(
            kind, orjson.dumps(_from_301(kind, await _json(request), client)), client
        )
        kept = {"clientID": old["clientID"]} if "clientID" in old else {}
        return _as_301(store.replace(kind, old, {**body, **kept}))

    @api.delete("/{collection}/{object_id}")
    def delete(collection: str, object_id: str, client: Who) -> rules.Wire:
        kind = _kind_301(collection)
        if client.is_ven and kind in rules.WRITTEN_BY_BL:
            raise HTTPException(403, "business logic writes these")
        found = rules.find(store, kind, object_id, client)
        store.remove(kind, object_id)
        return _as_301(found)

    return api


async def _json(request: Request) -> rules.Wire:
    try:
        body = orjson.loads(await request.body())
    except orjson.JSONDecodeError:
        raise HTTPException(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is not an object")
    return body


def _kind_301(collection: str) -> str:
    if collection == "resources":
        raise HTTPException(404, "no such path")
    return rules.kind_of(collection)


def _from_301(kind: str, body: rules.Wire, client: Client) -> rules.Wire:
    """As the store keeps it; a VEN writes no targets here either."""
    if kind in ("VEN", "RESOURCE"):
        form = f"{'VEN' if client.is_ven else 'BL'}_{kind}_REQUEST"
        return {**body, "objectType": form, "clientID": client.client_id}
    return body


def _as_301(body: rules.Wire) -> rules.Wire:
    """Without what 3.0.1 does not have, and with what it requires."""
    shown = {name: value for name, value in body.items() if name != "clientID"}
    return {"intervals": [], **shown} if body["objectType"] == "EVENT" else shown


def _visibility_301(client: Client) -> Callable[[rules.Wire], bool]:
    """3.0.1 has no object privacy; what 3.1.0 targets with strings stays with its own VENs."""

    def may_see(body: rules.Wire) -> bool:
        targets = body.get("targets") or ()
        return not client.is_ven or all(isinstance(each, dict) for each in targets)

    return may_see


def _meets_301(body: rules.Wire, kind: str | None, values: list[str]) -> bool:
    if kind is None:
        return True
    return any(
        each.get("type") == kind and not set(values).isdisjoint(map(str, each.get("values", ())))
        for each in body.get("targets") or ()
        if isinstance(each, dict)
    )
