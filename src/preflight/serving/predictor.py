"""The champion in memory: it follows the pointer, and answers waiting requests together."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from kedro.io import DataCatalog, Version

from preflight.contracts.catalog import Contract
from preflight.deployment import champion
from preflight.deployment.champion import ChampionRecord
from preflight.inference.experiment import DRAWN, VARIANTS, Design
from preflight.inference.feedback import leave_untouched
from preflight.inference.variants import Challengers, answer_variants
from preflight.modeling.model import Bundle, answer, costs_of, require_features
from preflight.problem.framing import Framing
from preflight.serving.canary import Canary
from preflight.serving.requests import Blocks, RequestReader, concatenate_blocks

log = logging.getLogger(__name__)

MICRO_BATCH_ROWS = 64  # a request with more rows is answered by itself, in a thread


class BatchPredictions(NamedTuple):
    """Answers to some rows by column, and the version of the champion.

    logged: columns that only the log has: model, unit and variant; empty without an experiment.
    ms: that the champion took, for all rows that it answered together.
    """

    model: str
    columns: dict[str, npt.NDArray[Any]]
    logged: dict[str, npt.NDArray[Any]]
    ms: float


Waiting = tuple[Blocks, int, asyncio.Future[BatchPredictions]]  # rows, their number, the answer


class Current(NamedTuple):
    """The champion in memory.

    since: its promotion, or the rollback to it. reads: the columns that its answers depend on.
    card, verdict: of the run that evaluated its recipe, if they are on the disk.
    """

    promoted: ChampionRecord
    since: datetime
    bundle: Bundle
    reads: list[str]
    card: str | None
    verdict: dict[str, Any] | None


class ChampionPredictor:
    """Loads the champion and answers requests with it.

    Args:
        catalog: has the datasets `champion`, `model_card` and `verdict`.
        pointer: names the champion.
        reader: makes a table of the rows of a request.
        features: the contract of the rows.
        framing: has the share of decisions that are left untouched.
    """

    def __init__(
        self,
        catalog: DataCatalog,
        pointer: Path,
        reader: RequestReader,
        features: Contract,
        framing: Framing,
    ) -> None:
        self._catalog, self._pointer, self._reader = catalog, pointer, reader
        self._features, self._groups, self._framing = features, features.groups(), framing
        self._key = features.grain() if framing.decision.untouched_share else []
        self.current: Current | None = None
        self._answering: Current | None = None  # requests at work end with it after a withdrawal
        self.designs: list[Design] = []  # of experiments that run, or begin soon
        self._followed: list[Design] = []  # the same, as far as their challengers are loaded
        self._challengers: dict[str, Callable[[], Bundle]] = {}
        self.canary = Canary(catalog.get("experiments"), framing)
        self._waiting: list[Waiting] = []

    @property
    def promoted(self) -> ChampionRecord | None:
        """Return the record of the champion in memory; None before the first promotion."""
        return self.current.promoted if self.current else None

    @property
    def unloaded(self) -> set[str]:
        """Return the names of experiments without their challenger: the champion answers."""
        lost = [one for one in self.designs if not one.stopped and one not in self._followed]
        return {one.name for one in lost}

    def follow(self) -> bool:
        """Load the champion if it has changed; return whether it has.

        The old champion answers until the new one is loaded, and finishes its requests.
        """
        state = champion.read(self._pointer)
        now = state.current
        if now == self.promoted:
            return False
        if now is None:  # it is withdrawn
            self.current = None
            log.warning("The champion is withdrawn: nothing is answered.")
            return True
        since = datetime.fromisoformat(state.history[-1].at)
        bundle: Bundle = self._catalog.load("champion")
        if bundle["provenance"]["version"] != now.version:
            return False  # it changed again meanwhile: load it next time
        require_features(bundle, self._features)
        costs = costs_of(bundle).columns.values()
        reads = dict.fromkeys([*bundle["features"], *costs, *self._key])
        of_run = (self._of_run(name, now) for name in ("model_card", "verdict"))
        self.current = self._answering = Current(now, since, bundle, list(reads), *of_run)
        log.info("The champion is %s.", now.version)
        return True

    def follow_experiments(self) -> None:
        """Follow the designs of experiments, and load the challengers that they name.

        Raises:
            Exception: a challenger can't be loaded, or wants other features. Until it can, the
                champion answers in its place.
        """
        dataset: Any = self._catalog.get("experiments")
        yesterday = pd.Timestamp.now("UTC").date() - timedelta(days=1)
        designs = [one for one in dataset.load() if one.end > yesterday] if dataset else []
        wanted = {one.challenger for one in designs if one.challenger and not one.stopped}
        loaded = {v: one for v, one in self._challengers.items() if v in wanted}
        try:
            known = self._catalog.load("challengers") if wanted - loaded.keys() else {}
            for version in wanted - loaded.keys():
                bundle: Bundle = known[version]()
                require_features(bundle, self._features)
                loaded[version] = partial(_same, bundle)
        finally:
            self._challengers = loaded
            self.designs = designs
            self._followed = [_able(design, loaded) for design in designs]

    def _of_run(self, name: str, now: ChampionRecord) -> Any:
        """Return a dataset of the run that evaluated the recipe; None if it is not there."""
        dataset: Any = self._catalog.get(name)
        if dataset is None:
            return None
        dataset._version = Version(now.recipe_run or now.run, None)
        dataset.release()
        return dataset.load() if dataset.exists() else None

    async def predict(self, blocks: Blocks, rows: int, explain: bool) -> BatchPredictions:
        """Return the answers to valid rows.

        Many rows are answered in a thread. Few rows are answered in the event loop, together with
        all requests that came during the last answer: a model takes hardly longer for thirty rows
        than for one, and a hop to a thread and back takes as long as the rest of the request.
        """
        if explain or rows > MICRO_BATCH_ROWS:
            return await asyncio.to_thread(self._predict, blocks, explain)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._predict_waiting, loop)
        future: asyncio.Future[BatchPredictions] = loop.create_future()
        self._waiting.append((blocks, rows, future))
        return await future

    def _predict_waiting(self, loop: asyncio.AbstractEventLoop, seen: int = 0) -> None:
        """Answer all waiting requests together, once no more have come in a round of the loop."""
        if seen < len(self._waiting) < MICRO_BATCH_ROWS:
            loop.call_soon(self._predict_waiting, loop, len(self._waiting))
            return
        waiting, self._waiting = self._waiting, []
        self._answer(waiting)

    def _answer(self, waiting: list[Waiting]) -> None:
        try:
            found = self._predict(concatenate_blocks([blocks for blocks, *_ in waiting]), False)
        except Exception as error:
            if len(waiting) > 1:  # the rows of one may be to blame: the others get their answers
                for one in waiting:
                    self._answer([one])
            elif not waiting[0][2].done():  # the client may have gone
                waiting[0][2].set_exception(error)
            return
        start = 0
        for _, rows, future in waiting:
            columns, logged = (
                {name: values[start : start + rows] for name, values in some.items()}
                for some in (found.columns, found.logged)
            )
            start += rows
            if not future.done():
                future.set_result(BatchPredictions(found.model, columns, logged, found.ms))

    def _predict(self, blocks: Blocks, explain: bool) -> BatchPredictions:
        assert self._answering is not None
        promoted, _, bundle, reads, *_ = self._answering
        designs, challengers = self._followed, self._challengers
        drawn_by = [name for design in designs for name in ("predict_at", *design.unit)]
        rows = self._reader.table(blocks, [*dict.fromkeys([*reads, *drawn_by])])
        began = time.perf_counter()
        answers: Any = answer(bundle, rows, self._groups, explain)
        took = 1000 * (time.perf_counter() - began)
        answers = leave_untouched(answers, rows, self._key, self._framing)
        logged: Any = {}
        if designs:
            watch = partial(self.canary.watch, champion_ms=took)
            given = (answers, rows, promoted.version, designs, challengers)
            answers = answer_variants(*given, self._features, self._framing, watch, explain)
            logged = {name: answers.pop(name) for name in ("model", *DRAWN)}
        columns, hidden = (
            {name: np.asarray(values) for name, values in some.items()}
            for some in (answers, logged)
        )
        return BatchPredictions(promoted.version, columns, hidden, took)


def _same(bundle: Bundle) -> Bundle:
    return bundle


def _able(design: Design, loaded: Challengers) -> Design:
    """Return a design with the champion where its challenger is not loaded.

    The draw stays as it is, so the log keeps what was randomised.
    """
    if design.challenger is None or design.challenger in loaded:
        return design
    instead = [name for name in VARIANTS if design.policy(name) == "challenger"]
    return design.model_copy(update=dict.fromkeys(instead, "champion"))
