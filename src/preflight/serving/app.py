"""The HTTP service: it takes rows of the feature contract, and returns the champion's answers."""

import asyncio
import contextlib
import gc
import hmac
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from fastapi import APIRouter, FastAPI, Query, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from kedro.io import DataCatalog
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest
from pydantic_core import to_json
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from preflight.inference.contracts import InputCheck
from preflight.inference.input_check import block_messages
from preflight.problem.framing import Framing
from preflight.serving.answer import BAD, NO_KEY, NOT_READY, Answered, refusal
from preflight.serving.log_writer import Entry, LogWriter
from preflight.serving.predictor import MICRO_BATCH_ROWS, BatchPredictions, ChampionPredictor
from preflight.serving.requests import ParsedRequest, RequestReader

log = logging.getLogger(__name__)

MAX_ROWS = 10_000  # of one request
MAX_BYTES = 20_000_000  # of one body: MAX_ROWS take 15 MB
INLINE_PARSE_BYTES = 50_000  # a larger body is read in a thread, so that other requests don't wait
BODY_SECONDS = 30.0  # in which a body has to arrive
THREADS = 2  # for large requests: more threads would keep /health waiting
POLL_SECONDS = 0.5  # until a promotion or rollback is noticed
API_KEY_VARIABLE = "PREFLIGHT_API_KEY"  # if it is set, /predict and /model require the key
NO_CHAMPION = "there is no champion yet: kedro run --pipelines deployment"

REQUESTS = Counter("preflight_requests", "requests", ["path", "status"])
SECONDS = Histogram(
    "preflight_seconds", "seconds until the answer", ["path"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)  # fmt: skip
ROWS = Counter("preflight_rows", "rows", ["found"])  # answered, refused
FLAGGED = Counter(
    "preflight_flagged_rows",
    "rows with a missing group of features or an unseen category",
)
CHAMPION = Gauge("preflight_champion", "1 for the model in use", ["version"])
LOAD_FAILURES = Counter("preflight_champion_failed", "failed attempts to load the champion")
BLOCKED = Gauge("preflight_blocked", "1 while inputs outside their limits block all answers")

router = APIRouter()


@dataclass
class Service:
    """The parts that answer a request."""

    predictor: ChampionPredictor
    log_writer: LogWriter
    framing: Framing
    reader: RequestReader
    check: Any  # the dataset of the latest check of inputs; None: the project has none
    block: list[str] = field(default_factory=list)  # why nothing is answered

    def not_ready(self) -> JSONResponse | None:
        """Return the refusal before there is a champion, or while its inputs are blocked."""
        if self.predictor.promoted is None:
            return refusal(503, NO_CHAMPION)
        return refusal(503, *self.block) if self.block else None

    def access_error(self, request: Request) -> JSONResponse | None:
        """Return the refusal of a request with a wrong key."""
        required, key = os.environ.get(API_KEY_VARIABLE), request.headers.get("x-api-key", "")
        if required and not hmac.compare_digest(key.encode(), required.encode()):
            return refusal(401, "the header X-API-Key is not the key of this service")
        return None

    async def follow(self) -> None:
        """Follow block and champion, as long as the service runs."""
        while True:
            try:
                if await asyncio.to_thread(self._follow) and self.predictor.promoted:
                    CHAMPION.clear()
                    CHAMPION.labels(self.predictor.promoted.version).set(1)
            except Exception:  # what is in memory goes on
                LOAD_FAILURES.inc()
                log.exception("The champion, or the check of inputs, can't be loaded.")
            await asyncio.sleep(POLL_SECONDS)

    def _block(self) -> list[str]:
        """Return why the latest check of inputs blocks; nothing if it doesn't."""
        if self.check is None or not self.check.exists():
            return []
        check = InputCheck.model_validate(self.check.load())
        return block_messages(check) if check.blocked else []

    def _follow(self) -> bool:
        """Read the check; load a new champion, exempt from garbage collection, and return if so."""
        self.block = self._block()
        BLOCKED.set(bool(self.block))
        if changed := self.predictor.follow():
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        return changed

    @contextlib.asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Follow the champion, and write the log at the end."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "large"))
        following = asyncio.create_task(self.follow())
        yield
        following.cancel()
        await asyncio.to_thread(self.log_writer.close)


def create_app(catalog: DataCatalog, pointer: Path, framing: Framing) -> FastAPI:
    """Return the service.

    Args:
        catalog: has the champion, the prediction log and the latest check of inputs.
        pointer: names the champion.
    """
    features = catalog.load("contracts")["features"]
    reader = RequestReader(features, MAX_ROWS)
    predictor = ChampionPredictor(catalog, pointer, reader, features, framing)
    log_writer = LogWriter(catalog["prediction_log"], reader, framing)
    service = Service(predictor, log_writer, framing, reader, catalog.get("latest_input_check"))
    app = FastAPI(title="Preflight", version="1", lifespan=service.lifespan)
    app.state.service = service
    app.include_router(router)
    app.add_middleware(RequestMetrics)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = get_openapi(
                title=app.title, version=app.version, routes=app.routes, description=__doc__
            )
            app.openapi_schema["components"]["schemas"] |= reader.schema()
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


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
    partial: bool = Query(False, description="answer the valid rows although others are not"),
    explain: bool = Query(False, description="add reasons; takes about eight times as long"),
) -> Response:
    """Return the champion's answer to each row."""
    service: Service = request.app.state.service
    if response := service.access_error(request) or service.not_ready():
        return response
    body = await _body(request)
    if isinstance(body, Response):
        return body
    parsed = await _in_thread(len(body) > INLINE_PARSE_BYTES, service.reader.read, body)
    faults, rows = parsed.faults, len(parsed.row_numbers)
    listed = [
        {"row": row, "messages": messages} for row, messages in sorted(faults.messages.items())
    ]
    ROWS.labels("refused").inc(len(faults.rows) or len(listed))
    if not rows or (listed and not partial):
        return JSONResponse({"faults": listed, "more": faults.more}, 422)
    found = await service.predictor.predict(parsed.blocks, rows, explain)
    moment = _now()
    ROWS.labels("answered").inc(rows)
    FLAGGED.inc(int(np.count_nonzero(found.columns["flags"])))

    def content() -> bytes:
        answers = _format_answers(parsed, found)
        about = {"model": found.model, "moment": moment.isoformat(), "answers": answers}
        return to_json(about | {"faults": listed, "more": faults.more})

    made = await _in_thread(rows > MICRO_BATCH_ROWS, content)
    # the log gets only what was sent
    after = BackgroundTask(service.log_writer.put, Entry(parsed.blocks, found, moment))
    return Response(made, media_type="application/json", background=after)


async def _body(request: Request) -> bytes | Response:
    """Return the body of a request, or the refusal to read it."""
    if request.headers.get("content-encoding", "identity") != "identity":
        return refusal(415, "a body may not be compressed")
    large = refusal(413, f"a body may have {MAX_BYTES:,} bytes")
    if int(request.headers.get("content-length", 0)) > MAX_BYTES:
        return large
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BYTES:
                    return large
    except TimeoutError:
        return refusal(408, f"the body did not come within {BODY_SECONDS:g} seconds")
    except ClientDisconnect:  # nobody reads the answer
        return refusal(400, "the body is not complete")
    return bytes(body)


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


@router.get("/model", responses=NO_KEY | NOT_READY)
async def card(request: Request) -> Response:
    """Return the version of the champion, its model card, its provenance and the framing."""
    service: Service = request.app.state.service
    response, current = service.access_error(request), service.predictor.current
    if response or current is None:
        return response or refusal(503, NO_CHAMPION)
    promoted, bundle, _, text = current
    about = {name: bundle[name] for name in ("threshold", "features", "provenance")}
    framed = service.framing.model_dump(mode="json")
    return JSONResponse({**promoted.model_dump(), "card": text, **about, "framing": framed})


@router.get("/health")
async def health() -> dict[str, str]:
    """Return that the process is alive."""
    return {"status": "alive"}


@router.get("/ready", responses=NOT_READY)
async def ready(request: Request) -> Response:
    """Return the version of the champion; 503 before the first promotion and during a block."""
    service: Service = request.app.state.service
    promoted = service.predictor.promoted
    return service.not_ready() or JSONResponse({"model": promoted and promoted.version})


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Return counts and times, as Prometheus reads them."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


_last = [0]


def _now() -> pd.Timestamp:
    """Return the time in UTC, later each time: it distinguishes two equal requests."""
    _last[0] = max(_last[0] + 1, time.time_ns() // 1000)
    return pd.Timestamp(_last[0], unit="us", tz="UTC").as_unit("us")
