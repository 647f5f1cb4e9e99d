"""App: the addresses of the server as an ASGI application."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from hinet_search.common.errors import did_you_mean
from hinet_search.server.current_model import CurrentModel, Log
from hinet_search.server.documentation import ADDRESSES, STATUSES, docs_page, model_facts
from hinet_search.server.guard import guarded
from hinet_search.server.metrics import BUSY, CONTENT_TYPE, DENIED, Metrics
from hinet_search.server.replies import (
    RETRY,
    AmountsReply,
    EventsReply,
    ProblemReply,
    ReadyReply,
    RequestRefused,
    ScoreReply,
    json_reply,
    problem_reply,
)
from hinet_search.server.scoring import Scoring
from hinet_search.server.settings import Limits, Listening
from hinet_search.serving.requests.served_model import ServedModel

VALUE_SCHEMA = {
    "description": "A value, null where it is missing; dates are ISO texts",
    "type": ["string", "number", "boolean", "array", "null"],
}
ROW_SCHEMA = {"type": "object", "additionalProperties": VALUE_SCHEMA}
COLUMN_SCHEMA = {"type": "array", "items": VALUE_SCHEMA}
EVENT_SCHEMA = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": ["string", "integer"]}},
    "additionalProperties": VALUE_SCHEMA,
}


def _with_key(key: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a document with one key."""
    return {"type": "object", "required": [key], "properties": {key: schema}}


ROWS = _with_key("rows", {"type": "array", "items": ROW_SCHEMA})
COLUMNS = _with_key("columns", {"type": "object", "additionalProperties": COLUMN_SCHEMA})
EVENTS = _with_key("events", {"type": "array", "items": EVENT_SCHEMA})


@dataclass(frozen=True)
class Service:
    """What the application works with."""

    current: CurrentModel
    metrics: Metrics
    pool: ThreadPoolExecutor
    listening: Listening
    limits: Limits
    log: Log


def make_app(service: Service) -> ASGIApp:
    """Return the application, guarded."""
    app = FastAPI(
        title="hinet-search",
        description="Scores rows with an exported model, as hinet-search predict does.",
        docs_url=None,
        redoc_url=None,
    )
    scoring = Scoring(service.current, service.limits, service.metrics, service.pool, service.log)
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"description": meaning, "model": ProblemReply}
        for status, meaning in STATUSES.items()
        if status != 200
    }
    scored = {"description": "scored", "model": ScoreReply | AmountsReply}
    added = {"description": "added", "model": EventsReply}
    app.add_api_route(
        "/score",
        scoring.reply,
        methods=["POST"],
        summary="Score rows",
        response_model=None,
        responses={200: scored, **refusals},
        openapi_extra=_body({"oneOf": [ROWS, COLUMNS]}),
    )
    app.add_api_route(
        "/events",
        scoring.reply_to_events,
        methods=["POST"],
        summary="Add events to the log and label statistics",
        response_model=None,
        responses={200: added, **refusals},
        openapi_extra=_body(EVENTS),
    )
    _add_health(app, service)
    _add_facts(app, service)
    app.add_exception_handler(HTTPException, _other_address)
    return guarded(app, service.listening, lambda: service.metrics.request(DENIED))


def _body(schema: Mapping[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def _add_health(app: FastAPI, service: Service) -> None:
    @app.get("/health", summary=ADDRESSES["/health"])
    async def health() -> dict[str, str]:
        return {"status": "alive"}

    @app.get(
        "/ready",
        summary=ADDRESSES["/ready"],
        response_model=None,
        responses={200: {"model": ReadyReply}, 503: {"model": ReadyReply}},
    )
    async def ready() -> Response:
        served = service.current.model
        reply = ReadyReply(
            ready=served is not None,
            model=served.name if served else None,
            version=served.version if served else None,
            reload_refused=service.current.refused is not None,
        )
        if served is None:
            return json_reply(reply.model_dump(), 503, RETRY)
        return json_reply(reply.model_dump())


def _add_facts(app: FastAPI, service: Service) -> None:
    @app.get("/metrics", summary=ADDRESSES["/metrics"], response_model=None)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type=CONTENT_TYPE)

    @app.get("/model", summary=ADDRESSES["/model"], response_model=None)
    async def model() -> Response:
        refused = {"reload_refused": service.current.refused}
        return _with_model(service, lambda served: json_reply(model_facts(served) | refused))

    @app.get("/docs", include_in_schema=False, response_model=None)
    async def docs() -> Response:
        return _with_model(
            service, lambda served: docs_page(served, service.listening, service.limits)
        )


def _with_model(service: Service, reply: Callable[[ServedModel], Response]) -> Response:
    served = service.current.model
    if served is None:
        return RequestRefused(503, BUSY, "the model is being loaded", headers=RETRY).reply
    return reply(served)


async def _other_address(request: Request, error: Exception) -> Response:
    """Reply to an address or a method that the server does not have."""
    assert isinstance(error, HTTPException), "it handles these alone"
    known = ("/score", "/events", "/docs", *ADDRESSES)
    path = request.url.path
    problem = f"{path!a:.100} is no address of this server{did_you_mean(path, known)}"
    if error.status_code == 405:
        problem = f"{path} does not take {request.method}"
    return problem_reply(error.status_code, [problem], headers=error.headers or {})
