"""Requests that are answered together do not share their faults."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kedro.io import DataCatalog

from preflight.errors import PredictionError
from preflight.problem.framing import Framing
from preflight.serving.predictor import BatchPredictions, ChampionPredictor

Answers = list[BatchPredictions | BaseException]


def answered(
    monkeypatch: pytest.MonkeyPatch, parcels: Any, framing: Framing, *requests: list[float]
) -> tuple[Answers, list[int]]:
    """The answers to requests that come at once, and the rows of each call of the model.

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

    async def ask() -> Answers:
        asked = (served.predict({number: np.array([r])}, len(r), explain=False) for r in requests)
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(ask()), called


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
