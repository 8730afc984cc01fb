"""The embedded VTN's paths (OpenADR 3.1.0): what fleets and events need, kept small."""

# Annotations stay evaluated here: FastAPI reads them, and some name a local dependency.
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from app.vtn import rules
from app.vtn.api_301 import make_api_301
from app.vtn.store import VtnStore
from app.vtn.tokens import Client, Tokens

BASE_301 = "/openadr3/3.0.1"


def make_api(*, store: VtnStore, tokens: Tokens, base_url: str) -> FastAPI:
    """The application. `base_url`: as clients see it, for the token URL."""
    api = FastAPI(title="Embedded VTN", openapi_url=None)
    rules.answer_problems(api)

    Who = Annotated[Client, Depends(rules.who_asks(tokens))]  # noqa: N806 - a type

    @api.get("/auth/server")
    def auth_server() -> rules.Wire:
        return {"tokenURL": f"{base_url}/auth/token"}

    api.post("/auth/token")(rules.token_endpoint(tokens))

    @api.get("/{collection}")
    def search(
        collection: str,
        request: Request,
        client: Who,
        targets: rules.Targets = None,
        skip: rules.Skip = 0,
        limit: rules.Limit = 50,
    ) -> list[rules.Wire]:
        kind = rules.kind_of(collection)
        asked = {
            name: request.query_params[name]
            for name in rules.FILTERS.get(kind, ())
            if name in request.query_params
        }
        may_see = rules.visibility(store, kind, client)

        def accept(body: rules.Wire) -> bool:
            named = all(body.get(name) == value for name, value in asked.items())
            return named and rules.meets(body, targets) and may_see(body)

        own = client.is_ven and kind not in rules.WRITTEN_BY_BL
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
        kind = rules.kind_of(collection)
        body = rules.checked(kind, await request.body(), client)
        return JSONResponse(rules.create(store, kind, body, client), status_code=201)

    @api.get("/{collection}/{object_id}")
    def read(collection: str, object_id: str, client: Who) -> rules.Wire:
        return rules.find(store, rules.kind_of(collection), object_id, client)

    @api.put("/{collection}/{object_id}")
    async def update(collection: str, object_id: str, request: Request, client: Who) -> rules.Wire:
        kind = rules.kind_of(collection)
        old = rules.find(store, kind, object_id, client)
        body = rules.checked(kind, await request.body(), client)
        name = body.get({"VEN": "venName", "RESOURCE": "resourceName"}.get(kind, ""))
        return store.replace(kind, old, rules.owned(kind, body, client, old), name=name)

    @api.delete("/{collection}/{object_id}")
    def delete(collection: str, object_id: str, client: Who) -> rules.Wire:
        kind = rules.kind_of(collection)
        if client.is_ven and kind in rules.WRITTEN_BY_BL:
            raise HTTPException(403, "business logic writes these")
        found = rules.find(store, kind, object_id, client)
        store.remove(kind, object_id)
        return found

    api.mount(BASE_301, make_api_301(store=store, tokens=tokens))
    return api
