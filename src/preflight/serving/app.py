"""The HTTP service: it takes rows of the feature contract, and returns the champion's answers."""

import asyncio
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from kedro.io import DataCatalog
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from preflight.deployment import champion
from preflight.errors import RunError
from preflight.problem.framing import Framing
from preflight.serving.answer import (
    BAD,
    FAILURES,
    NO_KEY,
    NOT_READY,
    Alive,
    Answered,
    Champion,
    Ready,
    refusal,
)
from preflight.serving.document import make_openapi, render_docs
from preflight.serving.gauges import FLAGGED, REQUESTS, ROWS, SECONDS
from preflight.serving.keyed import INLINE_KEYED_BYTES, KeyedReader, is_keyed
from preflight.serving.log_writer import Entry, LogWriter
from preflight.serving.predictor import MICRO_BATCH_ROWS, BatchPredictions, ChampionPredictor
from preflight.serving.requests import ParsedRequest, RequestReader
from preflight.serving.service import CANNOT_ANSWER, NO_CHAMPION, Service
from preflight.serving.shadow import Shadow
from preflight.serving.status_page import render_status

log = logging.getLogger(__name__)

MAX_ROWS = 10_000  # of one request
MAX_BYTES = 20_000_000  # of one body: MAX_ROWS take 15 MB
INLINE_PARSE_BYTES = 50_000  # a larger body is read in a thread, so that other requests don't wait
BODY_SECONDS = 30.0  # in which a body has to arrive

router = APIRouter()


def create_app(catalog: DataCatalog, pointer: Path, framing: Framing) -> FastAPI:
    """Return the service.

    Args:
        catalog: has the champion, the prediction log, the latest check of inputs and alarms.
        pointer: names the champion.
    """
    features = catalog.load("contracts")["features"]
    reader = RequestReader(features, MAX_ROWS)
    predictor = ChampionPredictor(catalog, pointer, reader, features, framing)
    log_writer = LogWriter(catalog["prediction_log"], reader, framing)
    shadow = Shadow(catalog, champion.project_of(pointer), features, MAX_ROWS, framing)
    features_by_key = catalog.get("keyed_features")
    keyed = KeyedReader(features_by_key, features, reader, MAX_ROWS, framing.features_max_age)
    check, monitored = (catalog.get(name) for name in ("latest_input_check", "latest_alarms"))
    service = Service(predictor, log_writer, shadow, framing, reader, keyed, check, monitored)
    # given here, routes come before those of the document, and are found sooner
    routes = [WithoutQuery("/predict", predict, methods=["POST"]), *router.routes]
    app = FastAPI(
        title="Preflight",
        version="1",
        lifespan=service.lifespan,
        routes=routes,
        exception_handlers=FAILURES,
        docs_url=None,  # its page loads scripts from elsewhere
        redoc_url=None,
    )
    app.state.service = service
    app.add_middleware(RequestMetrics)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = make_openapi(app, __doc__, keyed.schema(reader.schema()))
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


class WithoutQuery(Route):
    """A route of requests without a query: FastAPI takes a quarter of a row's time for them."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether it is the route of a request; others are FastAPI's."""
        match, found = super().matches(scope)
        if match is not Match.FULL or scope["query_string"]:
            return Match.NONE, {}
        return match, {**found, "route": self}


class RequestMetrics:
    """Middleware that counts and times each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and count its answer."""
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = getattr(scope.get("route"), "path", "other")
                REQUESTS.labels(path, message["status"]).inc()
                SECONDS.labels(path).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, counted)


@router.post(
    "/predict",
    response_model=Answered,
    responses=NO_KEY | NOT_READY | BAD,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}},
        }
    },
)
async def predict(
    request: Request,
    partial: Annotated[
        bool, Query(description="answer the valid rows although others are not")
    ] = False,
    explain: Annotated[bool, Query(description="add reasons; takes many times as long")] = False,
    stale: Annotated[
        bool, Query(description="of keys: flag features that are too old, and answer")
    ] = False,
) -> Response:
    """Return the champion's answer to each row, or to each key by the features in its table."""
    service: Service = request.app.state.service
    if response := service.access_error(request) or service.not_ready():
        return response
    body = await _body(request)
    if isinstance(body, Response):
        return body
    large = len(body) > (INLINE_KEYED_BYTES if is_keyed(body) else INLINE_PARSE_BYTES)
    try:
        parsed, looked_up = await _in_thread(large, service.read, body, stale)
    except RunError as error:  # the table of the keys can't be used
        return refusal(503, str(error))
    faults, rows = parsed.faults, len(parsed.row_numbers)
    listed = [
        {"row": row, "messages": messages} for row, messages in sorted(faults.messages.items())
    ]
    ROWS.labels("refused").inc(len(faults.rows) or len(listed))
    if not rows or (listed and not partial):
        return JSONResponse({"faults": listed, "more": faults.more}, 422)
    try:
        found = await service.predictor.predict(parsed.blocks, rows, explain)
    except Exception as error:  # whatever is wrong with the champion
        service.log_failure(error)
        return refusal(500, CANNOT_ANSWER)
    found = looked_up.add_flags(found) if looked_up else found
    moment = _now()
    ROWS.labels("answered").inc(rows)
    FLAGGED.inc(int(np.count_nonzero(found.columns["flags"])))

    def content() -> bytes:
        answers = _format_answers(parsed, found)
        about = {"model": found.model, "moment": moment.isoformat(), "answers": answers}
        about |= {"keyed_table": looked_up.version} if looked_up else {}
        return to_json(about | {"faults": listed, "more": faults.more})

    made = await _in_thread(rows > MICRO_BATCH_ROWS, content)
    # the log and the shadow get only what was sent
    features_run = looked_up.runs if looked_up else None
    after = BackgroundTask(service.keep, Entry(parsed.blocks, found, moment, features_run))
    return Response(made, media_type="application/json", background=after)


async def _body(request: Request) -> bytes | Response:
    """Return the body of a request, or the refusal to read it."""
    if request.headers.get("content-encoding", "identity") != "identity":
        return refusal(415, "a body may not be compressed")
    if int(request.headers.get("content-length", 0)) > MAX_BYTES:
        return _too_large()
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BYTES:
                    return _too_large()
    except TimeoutError:
        return refusal(408, f"the body did not come within {BODY_SECONDS:g} seconds")
    except ClientDisconnect:  # nobody reads the answer
        return refusal(400, "the body is not complete")
    return bytes(body)


def _too_large() -> Response:
    return refusal(413, f"a body may have {MAX_BYTES:,} bytes")


async def _in_thread(large: bool, function: Callable[..., Any], *given: Any) -> Any:
    """Return the result of a function, in a thread if it takes long."""
    return await asyncio.to_thread(function, *given) if large else function(*given)


def _format_answers(parsed: ParsedRequest, found: BatchPredictions) -> Any:
    """Return answers by row or by column, as the request was, with null for refused rows."""
    columns = {name: values.tolist() for name, values in found.columns.items()}
    if parsed.faults.rows:
        at = dict(zip(parsed.row_numbers, range(len(parsed.row_numbers)), strict=True))
        places = [at.get(row) for row in range(parsed.size)]
        columns = {n: [None if i is None else v[i] for i in places] for n, v in columns.items()}
    if parsed.by_column:
        return columns
    rows = zip(*columns.values(), strict=True)
    return [None if row[0] is None else dict(zip(columns, row, strict=True)) for row in rows]


@router.get("/model", response_model=Champion, responses=NO_KEY | NOT_READY)
async def card(request: Request) -> Response:
    """Return the version of the champion, its model card, its provenance and the framing."""
    service: Service = request.app.state.service
    response, current = service.access_error(request), service.predictor.current
    if response or current is None:
        return response or refusal(503, NO_CHAMPION)
    about = {name: current.bundle[name] for name in ("threshold", "features", "provenance")}
    framed = service.framing.model_dump(mode="json")
    promoted = current.promoted.model_dump()
    return JSONResponse({**promoted, "card": current.card, **about, "framing": framed})


@router.head("/", include_in_schema=False)
@router.get("/", response_class=HTMLResponse, responses=NO_KEY)
async def status(request: Request) -> Response:
    """Return a page: champion, verdict, volume, latency and the last monitoring result."""
    service: Service = request.app.state.service
    if response := service.access_error(request):
        return response
    predictor = service.predictor
    now = predictor.current, service.block, service.alarms, predictor.designs, predictor.unloaded
    compared = await asyncio.to_thread(service.shadow.newest)
    return HTMLResponse(render_status(service.framing, *now, compared))


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """Return the document of the service as a page."""
    return HTMLResponse(render_docs(request.app.openapi()))


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health() -> Alive:
    """Return that the process is alive."""
    return Alive(status="alive")


@router.head("/ready", include_in_schema=False)
@router.get("/ready", response_model=Ready, responses=NOT_READY)
async def ready(request: Request) -> Response:
    """Return the version of the champion; 503 before there is one and during a block."""
    service: Service = request.app.state.service
    now = service.predictor.promoted
    return service.not_ready() or JSONResponse({"model": now and now.version})


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics() -> Response:
    """Return counts and times, as Prometheus reads them."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


_last = [0]


def _now() -> pd.Timestamp:
    """Return the time in UTC, later each time: it distinguishes two equal requests."""
    _last[0] = max(_last[0] + 1, time.time_ns() // 1000)
    return pd.Timestamp(_last[0], unit="us", tz="UTC").as_unit("us")
