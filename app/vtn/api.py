"""The embedded VTN's paths: 3.1.0 at the root, 3.0.1 under its own base."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import parse_qsl, unquote_plus

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from app.openadr import is_object_id
from app.vtn import topics
from app.vtn.errors import Refused, ScopeRefused
from app.vtn.mqtt import MqttPublisher
from app.vtn.objects import Objects, may_read
from app.vtn.problems import HANDLERS
from app.vtn.queries import QUERIES_301, QUERIES_310, read_query
from app.vtn.tokens import Client, Tokens
from app.vtn.versions import KINDS, Version, Version301, Version310
from app.vtn.wire import Wire, to_json

BASE_301 = "/openadr3/3.0.1"
MAX_BODY_BYTES = 16 << 20
"""Of business logic, which writes a year of prices at once."""
MAX_BODY_BYTES_OF_A_VEN = 4 << 20
MAX_FORM_BYTES = 16 << 10
MAX_FORM_FIELDS = 20
LONG_BODY_BYTES = 64 << 10
"""What is longer is read on a thread, so that others need not wait for it."""
MAX_LONG_BODIES = 2
"""At a time."""
MAX_CHALLENGES = 8
"""Subscriptions that are written at once."""
SCHEME = "Bearer"
NOT_KEPT = {"Cache-Control": "no-store", "Pragma": "no-cache"}
"""RFC 6749, 5.1: of all answers of the token endpoint."""
FORM = "application/x-www-form-urlencoded"

Operation = Callable[[Client], Wire | list[Wire]]


def make_api(*, objects: Objects, tokens: Tokens, broker: MqttPublisher | None) -> Starlette:
    """The application."""

    async def auth_server(request: Request) -> Response:
        # As this client reached it: from another machine, loopback would be its own.
        base_url = str(request.base_url).rstrip("/")
        return JSONResponse({"tokenURL": f"{base_url}/auth/token"})

    long_bodies = CapacityLimiter(MAX_LONG_BODIES)
    token_route = Route("/auth/token", _token_endpoint(tokens), methods=["POST"])
    routes = [
        Route("/auth/server", auth_server),
        token_route,
        *_notifier_routes(objects, tokens, broker),
        *_routes(Paths310(objects), tokens, long_bodies),
        Mount(
            BASE_301,
            app=_application([token_route, *_routes(Paths301(objects), tokens, long_bodies)]),
        ),
    ]
    return _application(routes)


def _application(routes: Iterable[BaseRoute]) -> Starlette:
    api = Starlette(routes=list(routes), exception_handlers=HANDLERS)
    api.router.redirect_slashes = False
    return api


class Paths310:
    """Which operation stands behind a path of 3.1.0."""

    version: Version = Version310()
    queries = QUERIES_310
    collections: Mapping[str, str] = {f"/{name}": kind for name, kind in KINDS.items()}

    def __init__(self, objects: Objects) -> None:
        self.objects = objects

    def search(self, kind: str, request: Request) -> Operation:
        query = read_query(self.queries[kind], request.query_params)
        return lambda client: self.objects.search(self.version, kind, query, client)

    def create(self, kind: str, body: Wire) -> Operation:
        return lambda client: self.objects.create(self.version, kind, body, client)

    def read(self, kind: str, request: Request) -> Operation:
        object_id = _path_id(request, "id")
        return lambda client: self.objects.read(self.version, kind, object_id, client)

    def update(self, kind: str, request: Request, body: Wire) -> Operation:
        object_id = _path_id(request, "id")
        return lambda client: self.objects.update(self.version, kind, object_id, body, client)

    def delete(self, kind: str, request: Request) -> Operation:
        object_id = _path_id(request, "id")
        return lambda client: self.objects.delete(self.version, kind, object_id, client)

    def body(self, kind: str, request: Request, raw: bytes, client: Client) -> Wire:  # noqa: ARG002
        """What a request says, in the shape that it has to have. Refused."""
        return self.version.read(kind, raw, client)


class Paths301(Paths310):
    """3.0.1: resources under their ven."""

    version: Version = Version301()
    queries = QUERIES_301
    collections: Mapping[str, str] = {
        **{f"/{name}": kind for name, kind in KINDS.items() if kind != "RESOURCE"},
        "/vens/{ven_id}/resources": "RESOURCE",
    }

    def search(self, kind: str, request: Request) -> Operation:
        query = dict(read_query(self.queries[kind], request.query_params))
        if kind != "RESOURCE":
            return lambda client: self.objects.search(self.version, kind, query, client)
        ven_id = _path_id(request, "ven_id")

        def search(client: Client) -> list[Wire]:
            self.objects.find(self.version, "VEN", ven_id, client)
            return self.objects.search(self.version, kind, {**query, "venID": ven_id}, client)

        return search

    def read(self, kind: str, request: Request) -> Operation:
        return self._within(kind, request, super().read(kind, request))

    def update(self, kind: str, request: Request, body: Wire) -> Operation:
        return self._within(kind, request, super().update(kind, request, body))

    def delete(self, kind: str, request: Request) -> Operation:
        return self._within(kind, request, super().delete(kind, request))

    def body(self, kind: str, request: Request, raw: bytes, client: Client) -> Wire:
        body = super().body(kind, request, raw, client)
        return {**body, "venID": _path_id(request, "ven_id")} if kind == "RESOURCE" else body

    def _within(self, kind: str, request: Request, operation: Operation) -> Operation:
        """Of a resource: only if it is that ven's."""
        if kind != "RESOURCE":
            return operation
        ven_id, object_id = _path_id(request, "ven_id"), _path_id(request, "id")

        def within(client: Client) -> Wire | list[Wire]:
            stored = self.objects.find(self.version, kind, object_id, client)
            if stored["venID"] != ven_id:
                raise Refused(404, "no such RESOURCE")
            return operation(client)

        return within


def _routes(paths: Paths310, tokens: Tokens, long_bodies: CapacityLimiter) -> list[Route]:
    routes = []
    for path, kind in paths.collections.items():
        many, one = _collection(paths, kind, tokens, long_bodies)
        routes.append(Route(path, many, methods=["GET", "POST"]))
        routes.append(Route(path + "/{id}", one, methods=["GET", "PUT", "DELETE"]))
    return routes


def _collection(
    paths: Paths310, kind: str, tokens: Tokens, long_bodies: CapacityLimiter
) -> tuple[Callable[[Request], Awaitable[Response]], Callable[[Request], Awaitable[Response]]]:
    """The endpoints of a collection and of one of its objects.

    What a request does takes microseconds, and is done at once, one after the other; but a long
    body is read, and a subscription's callbacks are asked, on threads that nothing else waits for.
    """
    challenges = CapacityLimiter(MAX_CHALLENGES)

    async def read(request: Request, client: Client) -> Wire:
        most = MAX_BODY_BYTES_OF_A_VEN if client.is_ven else MAX_BODY_BYTES
        raw = await _body(request, most_bytes=most)
        if len(raw) <= LONG_BODY_BYTES:
            return paths.body(kind, request, raw, client)
        return await to_thread.run_sync(paths.body, kind, request, raw, client, limiter=long_bodies)

    async def write(operation: Operation, client: Client) -> Wire | list[Wire]:
        if kind == "SUBSCRIPTION":
            return await to_thread.run_sync(operation, client, limiter=challenges)
        return operation(client)

    async def many(request: Request) -> Response:
        client = _who_asks(tokens, request)
        if request.method == "POST":
            operation = paths.create(kind, await read(request, client))
            return _answer(await write(operation, client), status=201)
        return _answer(paths.search(kind, request)(client))

    async def one(request: Request) -> Response:
        client = _who_asks(tokens, request)
        if request.method == "PUT":
            operation = paths.update(kind, request, await read(request, client))
            return _answer(await write(operation, client))
        operation = (paths.delete if request.method == "DELETE" else paths.read)(kind, request)
        return _answer(operation(client))

    return many, one


def _answer(done: Wire | list[Wire], status: int = 200) -> Response:
    return Response(to_json(done), status_code=status, media_type="application/json")


def _notifier_routes(
    objects: Objects, tokens: Tokens, broker: MqttPublisher | None
) -> Iterable[Route]:
    """What 3.1.0 says of notifiers; topics are 404 where there is no broker."""
    version = Version310()

    def notifiers(_request: Request, _client: Client) -> Wire:
        answer: Wire = {"WEBHOOK": True}
        if broker is not None:
            answer["MQTT"] = {
                "URIS": [str(broker.address)],
                "serialization": "JSON",
                "authentication": (
                    {"method": "OAUTH2_BEARER_TOKEN", "username": "{clientID}"}
                    if broker.wants_credentials
                    else {"method": "ANONYMOUS"}
                ),
            }
        return answer

    def of_collection(name: str) -> Callable[[Request, Client], Wire]:
        def answer(_request: Request, client: Client) -> Wire:
            _only_business_logic(client)
            may_read(KINDS[name], client)
            return topics.operations(f"{topics.ALL}/{name}")

        return answer

    def of_programs(_request: Request, client: Client) -> Wire:
        may_read("PROGRAM", client)
        root = topics.PREFIX if client.is_ven else topics.ALL
        return topics.operations(f"{root}/programs")

    def of_program(suffix: str) -> Callable[[Request, Client], Wire]:
        def answer(request: Request, client: Client) -> Wire:
            program_id = _path_id(request, "program_id")
            may_read("EVENT" if suffix else "PROGRAM", client)
            objects.find(version, "PROGRAM", program_id, client)
            root = topics.PREFIX if client.is_ven else topics.ALL
            path = f"{root}/programs/{program_id}{suffix}"
            return topics.operations(path, create=bool(suffix))

        return answer

    def of_ven(suffix: str) -> Callable[[Request, Client], Wire]:
        def answer(request: Request, client: Client) -> Wire:
            may_read(KINDS[suffix[1:]] if suffix else "VEN", client)
            ven = objects.find(version, "VEN", _path_id(request, "ven_id"), client)
            root = topics.of_client(ven["clientID"])
            if root is None:
                raise Refused(404, "the client id of this ven cannot be part of a topic")
            return topics.operations(root + suffix, create=bool(suffix))

        return answer

    answers = {
        "/programs": of_programs,
        "/programs/{program_id}": of_program(""),
        "/programs/{program_id}/events": of_program("/events"),
        "/vens/{ven_id}": of_ven(""),
        **{f"/vens/{{ven_id}}/{name}": of_ven(f"/{name}") for name in _OF_A_VEN},
        **{f"/{name}": of_collection(name) for name in KINDS if name != "programs"},
    }

    def route(path: str, answer: Callable[[Request, Client], Wire], *, needs_broker: bool) -> Route:
        async def endpoint(request: Request) -> Response:
            client = _who_asks(tokens, request)
            if needs_broker and broker is None:
                raise Refused(404, "this VTN has no MQTT broker")
            return JSONResponse(answer(request, client))

        return Route(path, endpoint)

    yield route("/notifiers", notifiers, needs_broker=False)
    for path, answer in answers.items():
        yield route(f"/notifiers/mqtt/topics{path}", answer, needs_broker=True)


_OF_A_VEN = ("events", "programs", "resources")


def _only_business_logic(client: Client) -> None:
    if client.is_ven:
        raise Refused(403, "these topics are business logic's")


def _token_endpoint(tokens: Tokens) -> Callable[[Request], Awaitable[Response]]:
    """POST /auth/token (RFC 6749, client credentials in the form)."""

    async def auth_token(request: Request) -> Response:
        answered = await answer(request)
        answered.headers.update(NOT_KEPT)
        return answered

    async def answer(request: Request) -> Response:
        form = await _body(request, FORM, most_bytes=MAX_FORM_BYTES)
        try:
            values = dict(parse_qsl(form.decode(errors="replace"), max_num_fields=MAX_FORM_FIELDS))
        except ValueError:
            return JSONResponse({"error": "invalid_request"}, status_code=400)
        grant_type, client_id = values.get("grant_type"), values.get("client_id", "")
        secret = values.get("client_secret", "")
        basic = _basic(request.headers.get("Authorization", ""))
        if grant_type is None or bool(client_id or secret) == (basic is not None):
            return JSONResponse({"error": "invalid_request"}, status_code=400)
        client_id, secret = basic or (client_id, secret)
        if grant_type != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, status_code=400)
        try:
            issued = await run_in_threadpool(
                tokens.issue, client_id, secret, values.get("scope", "")
            )
        except ScopeRefused:
            return JSONResponse({"error": "invalid_scope"}, status_code=400)
        if issued is None:
            return JSONResponse(
                {"error": "invalid_client"},
                status_code=401,
                headers={"WWW-Authenticate": 'Bearer realm="VTN"'},
            )
        token, client = issued
        return JSONResponse(
            {
                "access_token": token,
                "token_type": SCHEME,
                "expires_in": tokens.lifetime_s,
                "scope": " ".join(sorted(client.scopes)),
            }
        )

    return auth_token


def _basic(header: str) -> tuple[str, str] | None:
    """Client id and secret of HTTP Basic (RFC 6749, 2.3.1), which some clients use."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, found, secret = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return None
    return (unquote_plus(client_id), unquote_plus(secret)) if found else None


def _who_asks(tokens: Tokens, request: Request) -> Client:
    client = tokens.client(request.headers.get("Authorization"))
    if client is None:
        raise Refused(401, "no valid bearer token")
    return client


def _path_id(request: Request, name: str) -> str:
    value = str(request.path_params[name])
    if not is_object_id(value):
        raise Refused(400, "the path has an id that is none")
    return value


async def _body(
    request: Request, media_type: str = "application/json", *, most_bytes: int
) -> bytes:
    given = request.headers.get("Content-Type", media_type).partition(";")[0].strip().lower()
    if given != media_type:
        raise Refused(415, f"the body has to be {media_type}")
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "gzip"):
        raise Refused(415, "the body has to be gzip, or not encoded")
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    body = bytearray()
    async for piece in request.stream():
        try:
            body += piece if unpack is None else unpack.decompress(piece, most_bytes + 1)
        except zlib.error:
            raise Refused(400, "the body is not gzip") from None
        if len(body) > most_bytes:
            raise Refused(413, f"a body has at most {most_bytes >> 10} KiB")
        if unpack is not None and unpack.unused_data:
            raise Refused(400, "the body has something after its gzip member")
    if unpack is not None and not unpack.eof:
        raise Refused(400, "the body is not gzip to its end")
    return bytes(body)
