"""A challenger in the shadow is compared with the champion, and never noticed by a client."""

import json
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from fastapi.testclient import TestClient
from kedro.io import DataCatalog

from preflight.deployment.datasets import ModelVersions
from preflight.inference.experiment import Design, Designs, assign
from preflight.inference.shadow import COMPARISONS, SETTING, ShadowSetting, read_comparisons
from preflight.inference.shadow import save_document as save
from preflight.modeling.model import predict_and_decide
from preflight.modeling.skops_file import dump
from preflight.serving import shadow
from preflight.serving.app import MAX_ROWS
from preflight.serving.gauges import SHADOW, counted
from preflight.serving.requests import RequestReader
from preflight.serving.shadow_process import Answered, Compared, Comparer

from .conftest import another, as_json, ask
from .conftest import wait_for as wait_shortly

Put = Callable[[str], None]
# the challenger has the lowest priority, and other tests may take all cores
wait_for = partial(wait_shortly, seconds=120)


@pytest.fixture
def refits(tmp_path: Path, catalog: DataCatalog, trusted_types: list[str]) -> Callable[..., Path]:
    """Writes the file of a challenger."""
    folder = tmp_path / "data/06_models/challenger.skops"
    catalog["challengers"] = ModelVersions(str(folder), trusted_types)

    def write(bundle: Any, version: str = "c1") -> Path:
        file = folder / version / folder.name
        file.parent.mkdir(parents=True)
        with file.open("wb") as opened:
            dump(bundle, opened)
        return file

    return write


@pytest.fixture
def put(tmp_path: Path) -> Put:
    """Puts a challenger into the shadow."""
    return lambda version: save(
        ShadowSetting(challenger=version, since=datetime.now(UTC)), tmp_path / SETTING
    )


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "CLOSE_SECONDS", 3.0)
    monkeypatch.setattr(shadow, "SEND_SECONDS", 0.05)


def process(client: TestClient) -> Any:
    worker = client.app.state.service.shadow._worker  # type: ignore[attr-defined]
    return worker and worker._process


def at_work(client: TestClient, versions: tuple[str, str] = ("v1", "c1")) -> bool:
    return client.app.state.service.shadow.versions == versions  # type: ignore[attr-defined]


def answered(bundle: Any, rows: pd.DataFrame, project_contracts: dict[str, Any]) -> Answered:
    """What the service hands over after the answer to a request."""
    reader = RequestReader(project_contracts["features"], MAX_ROWS)
    body = json.dumps({"rows": as_json(rows)}).encode()
    found = predict_and_decide(bundle, rows)
    return Answered(
        reader.read(body).blocks, found["probability"], found["act"], [len(rows)], 2.0, 5
    )


@pytest.fixture
def comparer(served: dict[str, Any], project_contracts: dict[str, Any]) -> Callable[..., Comparer]:
    def make(bundle: Any) -> Comparer:
        given = (project_contracts["features"], MAX_ROWS, served["framing"], ("v1", "c1"))
        return Comparer(bundle, *given)

    return make


def test_the_same_model_makes_no_difference(
    comparer: Callable[..., Comparer],
    served: dict[str, Any],
    rows: pd.DataFrame,
    project_contracts: dict[str, Any],
) -> None:
    found = comparer(served["bundle"])
    done = found.compare(answered(served["bundle"], rows, project_contracts))
    assert done == Compared(len(rows), 0)
    assert (found.found.rows, found.found.same, found.found.dropped) == (len(rows), len(rows), 5)
    assert found.found.difference == 0
    assert found.found.saved_if_champion == 0
    assert found.found.saved_if_challenger == 0


def test_the_difference_between_two_models_is_that_of_their_decisions(
    comparer: Callable[..., Comparer],
    served: dict[str, Any],
    rows: pd.DataFrame,
    project_contracts: dict[str, Any],
    tmp_path: Path,
) -> None:
    bundle, other = served["bundle"], another(served["bundle"])
    ours, theirs = (predict_and_decide(one, rows) for one in (bundle, other))
    costs = served["framing"].costs
    changed = ours["act"] != theirs["act"]
    assert 0 < changed.sum() < len(rows)
    found = comparer(other)
    for _ in range(2):
        found.compare(answered(bundle, rows, project_contracts))
    found.save(tmp_path / "one.json")
    (kept,) = read_comparisons(tmp_path)
    assert kept.rows == 2 * len(rows)
    assert kept.same == 2 * (~changed).sum()
    gap = np.abs(theirs["probability"] - ours["probability"]).sum()
    assert kept.difference == pytest.approx(2 * gap)
    saved = []
    for chance in (ours["probability"], theirs["probability"]):
        # acting costs fp (in vain) or tp; not acting fn (a miss) or tn
        act = chance * costs.tp + (1 - chance) * costs.fp
        wait = chance * costs.fn + (1 - chance) * costs.tn
        cost = [np.where(some["act"], act, wait).sum() for some in (ours, theirs)]
        saved.append(2 * (cost[0] - cost[1]))
    assert kept.saved_if_champion == pytest.approx(saved[0])
    assert kept.saved_if_challenger == pytest.approx(saved[1])
    assert kept.saved_if_champion < 0 < kept.saved_if_challenger  # each trusts itself
    assert kept.champion_ms is not None
    assert kept.champion_ms.p50 == 2.0


class Broken:
    """An estimator that fails."""

    def predict_proba(self, rows: pd.DataFrame) -> Any:
        raise RuntimeError("out of memory")


def test_an_error_of_the_challenger_is_counted(
    comparer: Callable[..., Comparer],
    served: dict[str, Any],
    rows: pd.DataFrame,
    project_contracts: dict[str, Any],
) -> None:
    found = comparer({**served["bundle"], "estimator": Broken()})
    assert found.compare(answered(served["bundle"], rows, project_contracts)).failed == len(rows)
    assert (found.found.rows, found.found.failed) == (0, len(rows))


class Picky:
    """An estimator that has no answer to one airport."""

    def __init__(self, model: Any, origin: str) -> None:
        self._model, self._origin = model, origin

    def predict_proba(self, rows: pd.DataFrame) -> Any:
        if (rows["origin"] == self._origin).any():
            raise RuntimeError("unknown airport")
        return self._model.predict_proba(rows)


def test_a_request_that_fails_does_not_take_others_with_it(
    comparer: Callable[..., Comparer],
    served: dict[str, Any],
    rows: pd.DataFrame,
    project_contracts: dict[str, Any],
) -> None:
    bundle, sorted_rows = served["bundle"], rows.sort_values("origin", ignore_index=True)
    last = sorted_rows["origin"] == sorted_rows["origin"].iloc[-1]
    assert 0 < last.sum() < len(rows)
    picky = Picky(bundle["estimator"], sorted_rows["origin"].iloc[-1])
    asked = answered(bundle, sorted_rows, project_contracts)
    found = comparer({**bundle, "estimator": picky})
    done = found.compare(asked._replace(sizes=[int((~last).sum()), int(last.sum())]))
    assert done == Compared(int((~last).sum()), int(last.sum()))
    assert found.found.same == done.rows


def test_the_service_follows_the_file_and_compares_what_it_has_answered(
    ready: TestClient,
    refits: Callable[..., Path],
    put: Put,
    tmp_path: Path,
    served: dict[str, Any],
    rows: pd.DataFrame,
) -> None:
    refits(another(served["bundle"]))
    put("c1")
    wait_for(lambda: at_work(ready))
    body, before = as_json(rows), counted(SHADOW, found="compared")
    plain = predict_and_decide(served["bundle"], rows)["probability"].tolist()
    for _ in range(3):
        answers = ask(ready, body).json()["answers"]
        assert [one["probability"] for one in answers] == plain  # the champion's, all of them
    wait_for(lambda: counted(SHADOW, found="compared") == before + 3 * len(rows))
    wait_for(lambda: "<h2>In the shadow</h2>" in ready.get("/").text)
    assert f"<dt>Compared</dt><dd>{3 * len(rows)} flights from 20" in ready.get("/").text
    (tmp_path / SETTING).unlink()  # the process ends, and saves
    wait_for(lambda: read_comparisons(tmp_path / COMPARISONS) != [])
    (kept,) = read_comparisons(tmp_path / COMPARISONS)
    assert (kept.champion, kept.challenger, kept.rows) == ("v1", "c1", 3 * len(rows))
    assert kept.challenger_ms is not None
    wait_for(lambda: process(ready) is None)


def test_kills_of_the_challenger_go_unnoticed(
    ready: TestClient,
    refits: Callable[..., Path],
    put: Put,
    served: dict[str, Any],
    rows: pd.DataFrame,
) -> None:
    """Twice, each after it has answered; benchmarks/shadow.py does it ten times."""
    refits(another(served["bundle"]))
    put("c1")
    plain = predict_and_decide(served["bundle"], rows)["probability"].tolist()
    for _ in range(2):
        before = counted(SHADOW, found="compared")

        def compared(before: float = before) -> bool:
            told = ask(ready, as_json(rows))
            assert told.status_code == 200
            assert [one["probability"] for one in told.json()["answers"]] == plain
            return counted(SHADOW, found="compared") > before

        wait_for(compared)
        killed = process(ready)
        os.kill(killed.pid, signal.SIGTERM if os.name == "nt" else signal.SIGKILL)
        wait_for(lambda killed=killed: process(ready) not in {killed, None})


def test_a_late_challenger_gets_no_more_rows_than_fit_and_the_others_are_counted(
    ready: TestClient,
    refits: Callable[..., Path],
    put: Put,
    served: dict[str, Any],
    rows: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadow, "MAX_QUEUED_ROWS", 2 * len(rows))
    refits(another(served["bundle"]))
    put("c1")
    wait_for(lambda: at_work(ready))
    first = counted(SHADOW, found="compared")
    ask(ready, as_json(rows))
    wait_for(lambda: counted(SHADOW, found="compared") > first)  # it is loaded
    os.kill(process(ready).pid, signal.SIGSTOP)  # it hangs
    before = counted(SHADOW, found="dropped")
    for _ in range(5):
        assert ask(ready, as_json(rows)).status_code == 200
    assert counted(SHADOW, found="dropped") == before + 3 * len(rows)
    compared = counted(SHADOW, found="compared")
    os.kill(process(ready).pid, signal.SIGCONT)
    wait_for(lambda: counted(SHADOW, found="compared") >= compared + 2 * len(rows))
    time.sleep(0.3)
    assert counted(SHADOW, found="compared") == compared + 2 * len(rows)


def test_rows_that_another_model_or_nobody_decided_are_not_compared(
    ready: TestClient,
    catalog: DataCatalog,
    refits: Callable[..., Path],
    put: Put,
    served: dict[str, Any],
    rows: pd.DataFrame,
    seal_design: Callable[..., Design],
    tmp_path: Path,
) -> None:
    refits(another(served["bundle"]))
    design = seal_design(unit=["origin"], start=date(2013, 1, 1), looks=[date(2100, 1, 1)])
    catalog["experiments"] = Designs(str(tmp_path / "experiments"))
    catalog["experiments"].save(design)
    treated = int((assign(rows, [design], served["framing"])["variant"] == "treatment").sum())
    assert 0 < treated < len(rows)
    wait_for(lambda: any(one["untouched"] for one in ask(ready, as_json(rows)).json()["answers"]))
    before = counted(SHADOW, found="compared")
    put("c1")
    wait_for(lambda: at_work(ready))
    ask(ready, as_json(rows))
    wait_for(lambda: counted(SHADOW, found="compared") > before)
    assert counted(SHADOW, found="compared") == before + treated


@pytest.mark.parametrize("fault", ["unknown", "damaged", "setting"])
def test_a_challenger_that_cannot_be_loaded_is_logged_once_and_the_champion_answers(
    ready: TestClient,
    refits: Callable[..., Path],
    put: Put,
    served: dict[str, Any],
    rows: pd.DataFrame,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    file = refits(another(served["bundle"]))
    if fault == "damaged":
        file.write_bytes(file.read_bytes()[:-100])
    if fault == "setting":
        (tmp_path / SETTING).write_text("{")
    else:
        put("c2" if fault == "unknown" else "c1")
    reason = {
        "unknown": "c2 is to be in the shadow, and is no model on the disk. There are: c1. Choose",
        "damaged": "The challenger c1 can't be loaded: The file of a model is damaged",
        "setting": "shadow.json is broken: ",
    }[fault]
    wait_for(lambda: reason in caplog.text)
    plain = predict_and_decide(served["bundle"], rows)["probability"].tolist()
    for _ in range(3):
        answers = ask(ready, as_json(rows)).json()["answers"]
        assert [one["probability"] for one in answers] == plain
    assert caplog.text.count("can't be loaded. ") == 1


def test_a_promotion_of_the_challenger_ends_the_comparison(
    ready: TestClient,
    refits: Callable[..., Path],
    put: Put,
    served: dict[str, Any],
    tmp_path: Path,
    promote: Callable[..., Any],
) -> None:
    refits(another(served["bundle"]))
    put("c1")
    wait_for(lambda: at_work(ready))
    promote(tmp_path, another(served["bundle"]), "c1")
    wait_for(lambda: process(ready) is None)


def test_a_process_that_does_not_answer_is_ended(
    ready: TestClient,
    refits: Callable[..., Path],
    put: Put,
    served: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shadow, "CLOSE_SECONDS", 0.1)
    refits(another(served["bundle"]))
    put("c1")
    wait_for(lambda: at_work(ready))
    hung = process(ready)
    os.kill(hung.pid, signal.SIGSTOP)
    (tmp_path / SETTING).unlink()
    wait_for(lambda: not hung.is_alive())


def test_comparisons_are_saved_only_if_something_was_compared(
    comparer: Callable[..., Comparer], served: dict[str, Any], tmp_path: Path
) -> None:
    comparer(served["bundle"]).save(tmp_path / "one.json")
    assert read_comparisons(tmp_path) == []
