"""Requests that are answered together do not share their faults."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DataCatalog

from preflight.errors import PredictionError
from preflight.problem.framing import Framing
from preflight.serving.predictor import MICRO_BATCH_ROWS, BatchPredictions, ChampionPredictor

Answers = list[BatchPredictions | BaseException]


def answered(
    monkeypatch: pytest.MonkeyPatch,
    parcels: Any,
    framing: Framing,
    *requests: list[float],
    rounds: int = 0,
) -> tuple[Answers, list[int]]:
    """The answers to requests, and the rows of each call of the model.

    They come at once, or some rounds of the event loop after each other.
    The model answers each row with itself, and can't answer NaN.
    """
    called: list[int] = []

    number = np.dtype(np.float64)

    def predict(blocks: dict[Any, np.ndarray], explain: bool) -> BatchPredictions:
        (rows,) = blocks[number]
        called.append(len(rows))
        if np.isnan(rows).any():
            raise PredictionError("no number")
        return BatchPredictions("v1", {"probability": rows}, {}, 1.0)

    served = ChampionPredictor(DataCatalog(), Path(), None, parcels, framing)
    monkeypatch.setattr(served, "_predict", predict)

    async def ask(late: int, rows: list[float]) -> BatchPredictions:
        for _ in range(late * rounds):
            await asyncio.sleep(0)
        return await served.predict({number: np.array([rows])}, len(rows), explain=False)

    async def ask_all() -> Answers:
        asked = (ask(late, rows) for late, rows in enumerate(requests))
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(ask_all()), called


def test_a_request_that_has_no_prediction_fails_alone(
    monkeypatch: pytest.MonkeyPatch, parcels: Any, framing: Framing
) -> None:
    answers, _ = answered(monkeypatch, parcels, framing, [0.1, 0.2], [0.3, np.nan], [0.4])
    first, second, third = answers
    assert isinstance(first, BatchPredictions)
    assert first.columns["probability"].tolist() == [0.1, 0.2]
    assert isinstance(second, PredictionError)
    assert isinstance(third, BatchPredictions)
    assert third.columns["probability"].tolist() == [0.4]


def test_requests_without_a_fault_are_answered_in_one_call(
    monkeypatch: pytest.MonkeyPatch, parcels: Any, framing: Framing
) -> None:
    answers, called = answered(monkeypatch, parcels, framing, [0.1], [0.2, 0.3])
    assert called == [3]
    assert [one.columns["probability"].tolist() for one in answers] == [[0.1], [0.2, 0.3]]


def test_a_request_that_comes_while_others_are_collected_is_answered_with_them(
    monkeypatch: pytest.MonkeyPatch, parcels: Any, framing: Framing
) -> None:
    _, called = answered(monkeypatch, parcels, framing, [0.1], [0.2], [0.3], rounds=1)
    assert called == [3]


def test_a_request_waits_for_no_more_than_a_few_others(
    monkeypatch: pytest.MonkeyPatch, parcels: Any, framing: Framing
) -> None:
    requests = [[number / 100] for number in range(MICRO_BATCH_ROWS + 10)]
    answers, called = answered(monkeypatch, parcels, framing, *requests, rounds=1)
    assert called == [MICRO_BATCH_ROWS, 10]
    assert [one.columns["probability"].tolist() for one in answers] == requests
    _, called = answered(monkeypatch, parcels, framing, [0.1], [0.2], rounds=9)
    assert called == [1, 1]
