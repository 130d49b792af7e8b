"""The HTTP service: rows of the feature contract in, the champion's answers out."""

import asyncio
import contextlib
import gc
import hmac
import logging
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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

from preflight.problem.framing import Framing
from preflight.serving.answer import BAD, NO_KEY, NOT_READY, Answered, refusal
from preflight.serving.log_writer import Entry, Log
from preflight.serving.predictor import MICRO_BATCH_ROWS, BatchPredictions, ChampionPredictor
from preflight.serving.rows import Asked, Rows

log = logging.getLogger(__name__)

MOST_ROWS = 10_000  # of one request
MOST_BYTES = 20_000_000  # of one body: so many rows take 15 MB
FEW_BYTES = 50_000  # read at once; others should not wait while more is read
READS = 30.0  # seconds in which a body has to come
LARGE = 2  # requests that are read or answered in threads at once: more would keep out /health
FOLLOWS = 0.5  # seconds until a promotion or rollback is seen
KEY = "PREFLIGHT_API_KEY"  # if it is set, /predict and /model ask for it

REQUESTS = Counter("preflight_requests", "requests", ["path", "status"])
SECONDS = Histogram(
    "preflight_seconds", "seconds until the answer", ["path"],
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)  # fmt: skip
ROWS = Counter("preflight_rows", "rows", ["found"])  # answered, refused
FLAGGED = Counter(
    "preflight_flagged_rows",
    "rows that lack something, or are new to the model",
)
CHAMPION = Gauge("preflight_champion", "1 for the model in use", ["version"])
MISSED = Counter(
    "preflight_champion_failed",
    "times that the champion could not be loaded",
)

router = APIRouter()


@dataclass
class Service:
    """What the answers come from.

    model: is followed while the service runs.
    keep: takes what was answered.
    """

    model: ChampionPredictor
    keep: Log
    framing: Framing
    rows: Rows

    def refused(self, request: Request) -> JSONResponse | None:
        """Return why nothing can be asked; None if it can."""
        wanted, key = os.environ.get(KEY), request.headers.get("x-api-key", "")
        if wanted and not hmac.compare_digest(key.encode(), wanted.encode()):
            return refusal(401, "the header X-API-Key is not the key of this service")
        if self.model.promoted is None:
            return refusal(503, "there is no champion yet: kedro run --pipelines deployment")
        return None

    async def follow(self) -> None:
        """Look for another champion, for ever."""
        while True:
            try:
                if await asyncio.to_thread(self._follow) and self.model.promoted:
                    CHAMPION.clear()
                    CHAMPION.labels(self.model.promoted.version).set(1)
            except Exception:  # the one in memory goes on
                MISSED.inc()
                log.exception("The champion can't be loaded.")
            await asyncio.sleep(FOLLOWS)

    def _follow(self) -> bool:
        """Load another champion; what it needs is left out of the collector's long looks."""
        if found := self.model.follow():
            gc.unfreeze()
            gc.collect()
            gc.freeze()
        return found

    @contextlib.asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Follow the champion, and at the end write what was answered."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(LARGE, "large"))
        following = asyncio.create_task(self.follow())
        yield
        following.cancel()
        await asyncio.to_thread(self.keep.close)


def create_app(catalog: DataCatalog, pointer: Path, framing: Framing) -> FastAPI:
    """Return the service.

    Args:
        catalog: has the champion and the prediction log.
        pointer: names the champion.
    """
    features = catalog.load("contracts")["features"]
    rows = Rows(features, MOST_ROWS)
    keep = Log(catalog["prediction_log"], rows, framing)
    service = Service(ChampionPredictor(catalog, pointer, rows, features), keep, framing, rows)
    app = FastAPI(title="Preflight", version="1", lifespan=service.lifespan)
    app.state.service = service
    app.include_router(router)
    app.add_middleware(Counted)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = get_openapi(
                title=app.title, version=app.version, routes=app.routes, description=__doc__
            )
            app.openapi_schema["components"]["schemas"] |= service.rows.schema()
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


class Counted:
    """Counts and times each request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and look at the status of its answer."""
        began, status = time.perf_counter(), 0

        async def seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                path = getattr(scope.get("route"), "path", "other")
                REQUESTS.labels(path, status).inc()
                SECONDS.labels(path).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, seen)


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
    partial: bool = Query(False, description="answer the good rows though others are bad"),
    explain: bool = Query(False, description="give reasons; takes about eight times as long"),
) -> Response:
    """Return the champion's answer to each row."""
    service: Service = request.app.state.service
    if response := service.refused(request):
        return response
    body = await _body(request)
    if isinstance(body, Response):
        return body
    asked = await _in_thread(len(body) > FEW_BYTES, service.rows.read, body)
    faults = asked.faults
    told = [{"row": row, "says": says} for row, says in sorted(faults.said.items())]
    ROWS.labels("refused").inc(len(faults.rows) or len(told))
    if not asked.places or (told and not partial):
        return JSONResponse({"faults": told, "more": faults.more}, 422)
    found = await service.model.ask(asked.blocks, len(asked.places), explain)
    moment = _now()
    ROWS.labels("answered").inc(len(asked.places))
    FLAGGED.inc(int(np.count_nonzero(found.columns["flags"])))

    def content() -> bytes:
        return to_json(
            {
                "model": found.model,
                "moment": moment.isoformat(),
                "answers": _in_their_places(asked, found),
                "faults": told,
                "more": faults.more,
            }
        )

    made = await _in_thread(len(asked.places) > MICRO_BATCH_ROWS, content)
    # logged when it is answered, not before
    after = BackgroundTask(service.keep.put, Entry(asked.blocks, found, moment))
    return Response(made, media_type="application/json", background=after)


async def _body(request: Request) -> bytes | Response:
    """Return the body of a request, or why it is not read."""
    if request.headers.get("content-encoding", "identity") != "identity":
        return refusal(415, "a body may not be compressed")
    large = refusal(413, f"a body may have {MOST_BYTES:,} bytes")
    if int(request.headers.get("content-length", 0)) > MOST_BYTES:
        return large
    body = bytearray()
    try:
        async with asyncio.timeout(READS):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    return large
    except TimeoutError:
        return refusal(408, f"the body did not come within {READS:g} seconds")
    except ClientDisconnect:  # nobody reads this
        return refusal(400, "the body is not complete")
    return bytes(body)


async def _in_thread(large: bool, do: Callable[..., Any], *given: Any) -> Any:
    """Return what a function does, in a thread if it takes long."""
    return await asyncio.to_thread(do, *given) if large else do(*given)


def _in_their_places(asked: Asked, found: BatchPredictions) -> Any:
    """Return answers as they were asked for, by row or by column, with null for bad rows."""
    columns = {name: _spread(values.tolist(), asked) for name, values in found.columns.items()}
    if asked.by_column:
        return columns
    rows = zip(*columns.values(), strict=True)
    return [None if one[0] is None else dict(zip(columns, one, strict=True)) for one in rows]


def _spread(values: list[Any], asked: Asked) -> list[Any]:
    at = dict(zip(asked.places, values, strict=True))
    return [at.get(place) for place in range(asked.size)] if asked.faults.rows else values


@router.get("/model", responses=NO_KEY | NOT_READY)
async def card(request: Request) -> Response:
    """Return which model answers, its card, what it was fitted on, and the problem as framed."""
    service: Service = request.app.state.service
    response, current = service.refused(request), service.model.current
    if response or current is None:
        return response or refusal(503, "there is no champion")
    promoted, bundle, _, text = current
    about = {k: v for k, v in bundle.items() if k in {"threshold", "features", "provenance"}}
    framed = service.framing.model_dump(mode="json")
    return JSONResponse({**promoted.model_dump(), "card": text, **about, "framing": framed})


@router.get("/health")
async def health() -> dict[str, str]:
    """Return that the process lives."""
    return {"status": "alive"}


@router.get("/ready", responses=NOT_READY)
async def ready(request: Request) -> Response:
    """Return whether there is a champion to ask."""
    promoted = request.app.state.service.model.promoted
    if promoted is None:
        return refusal(503, "there is no champion yet: kedro run --pipelines deployment")
    return JSONResponse({"model": promoted.version})


@router.get("/metrics", response_class=Response)
async def metrics() -> Response:
    """Return counts and times, as Prometheus reads them."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


_last = [0]


def _now() -> pd.Timestamp:
    """Return the time in UTC, each time a later one: it tells two equal requests apart."""
    _last[0] = max(_last[0] + 1, time.time_ns() // 1000)
    return pd.Timestamp(_last[0], unit="us", tz="UTC").as_unit("us")
