"""The champion in memory: it follows the pointer, and answers all who wait in one go."""

import asyncio
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from kedro.io import DataCatalog, Version

from preflight.contracts.catalog import Contract
from preflight.deployment import champion
from preflight.deployment.champion import ChampionRecord
from preflight.modeling.model import (
    Bundle,
    costs_of,
    input_flags,
    join_flags,
    predict_and_decide,
    reasons,
    require_features,
)
from preflight.serving.rows import Blocks, Rows
from preflight.serving.rows import joined as as_one

log = logging.getLogger(__name__)

MICRO_BATCH_ROWS = 64  # rows that are answered at once, with others


class BatchPredictions(NamedTuple):
    """What the champion says of some rows, by name, and which one it was."""

    model: str
    columns: dict[str, npt.NDArray[Any]]


class Current(NamedTuple):
    """The champion in memory.

    reads: the columns that its answers depend on.
    card: its model card, if the run that judged it reported.
    """

    promoted: ChampionRecord
    bundle: Bundle
    reads: list[str]
    card: str | None


class ChampionPredictor:
    """The champion, as the catalog has it.

    Args:
        catalog: its dataset `champion` is read with its contract.
        pointer: names the champion.
        rows: makes a table of the rows of a request.
        features: the contract of the rows.
    """

    def __init__(self, catalog: DataCatalog, pointer: Path, rows: Rows, features: Contract) -> None:
        self._catalog, self._pointer, self._rows = catalog, pointer, rows
        self._features, self._groups = features, features.groups()
        self.current: Current | None = None
        self._waiting: list[tuple[Blocks, int, asyncio.Future[BatchPredictions]]] = []

    @property
    def promoted(self) -> ChampionRecord | None:
        """Return which champion is in memory; None as long as there is none."""
        return self.current.promoted if self.current else None

    def follow(self) -> bool:
        """Load the champion if it is another one than in memory; return whether it was.

        What is in memory stays until the new one is there; requests that are at work end with it.
        """
        now = champion.current(self._pointer)
        if now is None or now == self.promoted:
            return False
        bundle: Bundle = self._catalog.load("champion")
        if bundle["provenance"]["version"] != now.version:
            return False  # it changed again meanwhile: the next time
        require_features(bundle, self._features)
        reads = dict.fromkeys([*bundle["features"], *costs_of(bundle).columns.values()])
        self.current = Current(now, bundle, list(reads), self._card(now.run))
        log.info("The champion is %s.", now.version)
        return True

    def _card(self, run: str) -> str | None:
        card: Any = self._catalog.get("model_card")
        if card is None:
            return None
        card._version = Version(run, None)
        return str(card.load()) if card.exists() else None

    async def ask(self, blocks: Blocks, rows: int, explain: bool) -> BatchPredictions:
        """Return the answers to good rows.

        Many are answered in a thread. Few are answered together with all others that came while
        the last were answered, and in no thread: a model takes hardly longer for thirty rows than
        for one, and two hops between threads as long as the rest of the request.
        """
        if explain or rows > MICRO_BATCH_ROWS:
            return await asyncio.to_thread(self._answers, blocks, explain)
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._answer)
        future: asyncio.Future[BatchPredictions] = loop.create_future()
        self._waiting.append((blocks, rows, future))
        return await future

    def _answer(self) -> None:
        """Answer all who wait."""
        together, self._waiting = self._waiting, []
        try:
            found = self._answers(as_one([blocks for blocks, *_ in together]), explain=False)
        except Exception as error:  # each of them has to be told
            for *_, future in together:
                if not future.done():  # who asked may have gone
                    future.set_exception(error)
            return
        start = 0
        for _, rows, future in together:
            part = {name: values[start : start + rows] for name, values in found.columns.items()}
            start += rows
            if not future.done():
                future.set_result(BatchPredictions(found.model, part))

    def _answers(self, blocks: Blocks, explain: bool) -> BatchPredictions:
        assert self.current is not None
        promoted, bundle, reads, _ = self.current
        table = self._rows.table(blocks, reads)
        found = predict_and_decide(bundle, table)
        said = next(iter(found.values()))
        why = reasons(bundle, table, said, self._groups) if explain else [""] * len(table)
        told = {
            **found,
            "flags": join_flags(input_flags(bundle, table, self._groups), table.index),
            "reasons": why,
        }
        return BatchPredictions(promoted.version, {name: np.asarray(told[name]) for name in told})
