"""The service behind its endpoints: it follows the champion, the check of inputs and the alarms."""

import asyncio
import contextlib
import gc
import hmac
import logging
import os
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from kedro.io import DatasetError

from preflight.contracts.documents import Document
from preflight.errors import RunError
from preflight.inference.contracts import InputCheck
from preflight.inference.input_check import block_messages
from preflight.monitoring.contracts import Alarms
from preflight.problem.framing import Framing
from preflight.serving.answer import refusal
from preflight.serving.gauges import BLOCKED, CHAMPION, LOAD_FAILURES, show_alarms
from preflight.serving.keyed import KeyedReader, LookedUp, is_keyed
from preflight.serving.log_writer import Entry, LogWriter
from preflight.serving.predictor import ChampionPredictor
from preflight.serving.requests import ParsedRequest, RequestReader
from preflight.serving.shadow import Shadow

log = logging.getLogger(__name__)

THREADS = 2  # for large requests: more threads would keep /health waiting
POLL_SECONDS = 0.5  # until a promotion or rollback is noticed
API_KEY_VARIABLE = "PREFLIGHT_API_KEY"  # if it is set, /predict, /model and / require the key
NO_CHAMPION = "there is no champion: kedro run --pipelines deployment, or kedro rollback"
CANNOT_ANSWER = "the champion can't answer this: its error is in the log of the service"

Latest = TypeVar("Latest", bound=Document)


@dataclass
class Service:
    """The parts that answer a request."""

    predictor: ChampionPredictor
    log_writer: LogWriter
    shadow: Shadow
    framing: Framing
    reader: RequestReader
    keyed: KeyedReader
    check: Any  # the dataset of the latest check of inputs; None: the project has none
    monitored: Any  # the dataset of the latest alarms; likewise
    block: list[str] = field(default_factory=list)  # why nothing is answered
    alarms: Alarms | None = None
    failure: str = ""  # the last error of the champion

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

    def log_failure(self, error: Exception) -> None:
        """Log why the champion can't answer; the same reason once."""
        now = self.predictor.promoted
        reason = f"{now and now.version}: {error!r}"
        if reason != self.failure:
            self.failure = reason
            log.error("The champion can't answer. Go back: kedro rollback", exc_info=error)

    def read(self, body: bytes, stale: bool) -> tuple[ParsedRequest, LookedUp | None]:
        """Return the rows of a body, and where they come from if it has keys: see KeyedReader."""
        return self.keyed.read(body, stale) if is_keyed(body) else (self.reader.read(body), None)

    async def keep(self, entry: Entry) -> None:
        """Hand answered rows to the log and to the challenger in the shadow; return at once."""
        self.log_writer.put(entry)
        self.shadow.put(entry)

    async def follow(self) -> None:
        """Follow block, champion and alarms, as long as the service runs."""
        logged: dict[str, str] = {}  # the error of each; one that stays is logged once
        while True:
            for follow in (
                self._follow_block,
                self._follow_keyed,
                self._follow_champion,
                self.predictor.follow_experiments,
                self._follow_shadow,
                self._follow_alarms,
            ):
                name = follow.__name__
                try:
                    await asyncio.to_thread(follow)
                    logged.pop(name, None)
                except Exception as error:  # what is in memory goes on
                    LOAD_FAILURES.inc()
                    if logged.get(name) != repr(error):
                        logged[name] = repr(error)
                        known = isinstance(error, RunError | DatasetError)  # it says what to do
                        log.error(
                            "The champion, a challenger, the check of inputs, an experiment, the "
                            "alarms or the features by key can't be loaded. %s",
                            error,
                            exc_info=None if known else error,
                        )
            await asyncio.sleep(POLL_SECONDS)

    def _follow_block(self) -> None:
        check = _latest(self.check, InputCheck)
        self.block = block_messages(check) if check and check.blocked else []
        BLOCKED.set(bool(self.block))

    def _follow_keyed(self) -> None:
        self.keyed.follow()

    def _follow_champion(self) -> None:
        """Load a new champion, exempt from garbage collection."""
        if self.predictor.follow():
            gc.unfreeze()
            gc.collect()
            gc.freeze()
            CHAMPION.clear()
            if now := self.predictor.promoted:
                CHAMPION.labels(now.version).set(1)

    def _follow_shadow(self) -> None:
        now = self.predictor.promoted
        self.shadow.follow(now.version if now else None)

    def _follow_alarms(self) -> None:
        self.alarms = _latest(self.monitored, Alarms)
        if self.alarms:
            show_alarms(self.alarms)
            self.predictor.canary.heed(self.alarms, self.predictor.designs)

    @contextlib.asynccontextmanager
    async def lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Follow the champion, and write the log at the end."""
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, "large"))
        following = asyncio.create_task(self.follow())
        yield
        following.cancel()
        await asyncio.to_thread(self.log_writer.close)
        await asyncio.to_thread(self.shadow.close)


def _latest(dataset: Any, document: type[Latest]) -> Latest | None:
    """Return the document of a dataset; None if the project has no such dataset, or no file yet."""
    return document.model_validate(dataset.load()) if dataset and dataset.exists() else None
