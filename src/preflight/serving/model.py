"""The champion in memory: it follows the pointer, and answers all who wait in one go."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from kedro.io import DataCatalog

from preflight import champion
from preflight.bundle import Bundle, answers, flagged, joined, reasons
from preflight.champion import Promoted
from preflight.contracts import Features
from preflight.serving.rows import Row, Rows

log = logging.getLogger(__name__)

GROUPS = Features.groups()


class Answers(NamedTuple):
    """What the champion says of some rows, and which one it was."""

    model: str
    rows: list[dict[str, Any]]  # probability, act, flags, reasons


class Question(NamedTuple):
    """Rows that wait for their answers."""

    rows: list[Row]
    explain: bool
    answers: asyncio.Future[Answers]


class Model:
    """The champion, as the catalog has it.

    Args:
        catalog: its dataset `champion` is read with its contract.
        pointer: names the champion.
        rows: makes a table of the rows of a request.
    """

    def __init__(self, catalog: DataCatalog, pointer: Path, rows: Rows) -> None:
        self._catalog, self._pointer, self._rows = catalog, pointer, rows
        self.current: tuple[Promoted, Bundle] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._waiting: list[Question] = []
        self._working: asyncio.Task[None] | None = None

    @property
    def promoted(self) -> Promoted | None:
        """Return which champion is in memory; None as long as there is none."""
        return self.current[0] if self.current else None

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
        self.current = (now, bundle)
        log.info("The champion is %s.", now.version)
        return True

    async def ask(self, rows: list[Row], explain: bool) -> Answers:
        """Return the answers to good rows.

        Who comes while others are answered waits, and is answered with all who wait by then: a
        model takes hardly longer for thirty rows than for one.
        """
        question = Question(rows, explain, asyncio.get_running_loop().create_future())
        self._waiting.append(question)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return await question.answers

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            together, self._waiting = self._waiting, []
            rows = list(chain.from_iterable(one.rows for one in together))
            explain = any(one.explain for one in together)
            try:
                found = await loop.run_in_executor(self._thread, self._answers, rows, explain)
            except Exception as error:  # each of them has to be told
                for one in together:
                    if not one.answers.done():
                        one.answers.set_exception(error)
                continue
            answers = iter(found.rows)
            for one in together:
                part = Answers(found.model, list(islice(answers, len(one.rows))))
                if not one.answers.done():  # who asked may have gone
                    one.answers.set_result(part)

    def _answers(self, rows: list[Row], explain: bool) -> Answers:
        assert self.current is not None
        promoted, bundle = self.current
        table = self._rows.table(rows)
        found = answers(bundle, table)
        told = {
            **{name: values.tolist() for name, values in found.items()},
            "flags": joined(flagged(bundle, table, GROUPS), table.index).tolist(),
            "reasons": reasons(bundle, table, next(iter(found.values())), GROUPS).tolist()
            if explain
            else [""] * len(rows),
        }
        each = [dict(zip(told, one, strict=True)) for one in zip(*told.values(), strict=True)]
        return Answers(promoted.version, each)
