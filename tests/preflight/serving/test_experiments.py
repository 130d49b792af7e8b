"""In an experiment the service answers as batch inference does, and logs what it drew."""

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from fastapi.testclient import TestClient
from kedro.io import DataCatalog, MemoryDataset

from preflight.inference.experiment import Design, Designs, Stop, assign
from preflight.modeling.model import predict

from .conftest import another, as_json, ask, wait_for


@pytest.fixture
def design(seal_design: Callable[..., Design]) -> Callable[..., Design]:
    """An experiment that still runs."""
    unit = ["origin", "carrier"]
    return partial(seal_design, unit=unit, start=date(2013, 1, 1), looks=[date(2100, 1, 1)])


VERSUS = {"control": "champion", "treatment": "challenger", "challenger": "c1"}


@pytest.fixture
def designs(tmp_path: Path, catalog: DataCatalog) -> Designs:
    catalog["experiments"] = Designs(str(tmp_path / "experiments"))
    catalog["challengers"] = MemoryDataset({}, copy_mode="assign")
    return catalog["experiments"]


@pytest.fixture
def kept(catalog: DataCatalog) -> Callable[[int], pd.DataFrame]:
    """The log, as soon as it has so many rows."""

    def kept(count: int) -> pd.DataFrame:
        wait_for(catalog["prediction_log"].exists)
        wait_for(lambda: len(catalog["prediction_log"].load()) >= count)
        return catalog["prediction_log"].load()

    return kept


@pytest.fixture
def told(ready: TestClient, rows: pd.DataFrame) -> Callable[[], list[float]]:
    """The probabilities that the service answers with."""
    return lambda: [one["probability"] for one in ask(ready, as_json(rows)).json()["answers"]]


def test_the_control_group_is_left_untouched_and_the_draw_is_logged(
    design: Callable[..., Design],
    designs: Designs,
    ready: TestClient,
    rows: pd.DataFrame,
    served: dict[str, Any],
    kept: Callable[[int], pd.DataFrame],
) -> None:
    designs.save(design())
    drawn = assign(rows, [design()], served["framing"])
    control = drawn["variant"] == "control"
    assert 0 < control.sum() < len(rows)
    wait_for(
        lambda: ask(ready, as_json(rows)).json()["answers"][int(control.argmax())]["untouched"]
    )
    told = ask(ready, as_json(rows)).json()["answers"]
    assert [one["untouched"] for one in told] == control.tolist()
    assert not any(one["act"] for one, alone in zip(told, control, strict=True) if alone)
    log = kept(2 * len(rows))
    log = log[log["moment"] == log["moment"].max()]
    assert log["unit"].tolist() == drawn["unit"].tolist()
    assert log["variant"].tolist() == drawn["variant"].tolist()
    assert set(log["model"]) == {"v1"}


def test_the_treatment_group_is_answered_by_the_challenger(
    design: Callable[..., Design],
    designs: Designs,
    catalog: DataCatalog,
    told: Callable[[], list[float]],
    rows: pd.DataFrame,
    served: dict[str, Any],
    kept: Callable[[int], pd.DataFrame],
) -> None:
    bundle, other = served["bundle"], another(served["bundle"])
    catalog["challengers"].save({"c1": lambda: other})
    designs.save(design(**VERSUS))
    treated = assign(rows, [design()], served["framing"])["variant"] == "treatment"
    expected = pd.Series(predict(bundle, rows)).where(~treated, predict(other, rows)).tolist()

    wait_for(lambda: told() == expected)
    wait_for(lambda: "c1" in set(kept(len(rows))["model"]))  # the last answers are there
    log = kept(len(rows))
    log = log[log["moment"] == log["moment"].max()]
    assert log["probability"].tolist() == expected
    assert (log["model"] == "c1").tolist() == treated.tolist()


def test_a_challenger_that_cannot_be_loaded_is_logged_once_and_the_champion_answers(
    design: Callable[..., Design],
    designs: Designs,
    ready: TestClient,
    told: Callable[[], list[float]],
    rows: pd.DataFrame,
    served: dict[str, Any],
    kept: Callable[[int], pd.DataFrame],
    caplog: pytest.LogCaptureFixture,
) -> None:
    designs.save(design(**VERSUS))
    wait_for(lambda: "can't be loaded" in caplog.text)
    assert "c1 can't be loaded:</strong> the champion answers in its place" in ready.get("/").text
    for _ in range(3):
        assert told() == predict(served["bundle"], rows).tolist()
    log = kept(3 * len(rows))
    assert set(log["model"]) == {"v1"}
    assert set(log["variant"]) == {"control", "treatment"}  # what was drawn is kept
    assert caplog.text.count("can't be loaded") == 1


class Broken:
    """An estimator that fails, or takes its time."""

    def __init__(self, model: Any = None, seconds: float = 0) -> None:
        self._model, self._seconds = model, seconds

    def predict_proba(self, rows: pd.DataFrame) -> Any:
        if self._model is None:
            raise RuntimeError("out of memory")
        time.sleep(self._seconds)
        return self._model.predict_proba(rows)


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        (None, "failed 3 times, last with .*out of memory"),
        (0.1, r"was slow in 11 answers, last \d+ ms"),
    ],
)
def test_a_challenger_that_fails_or_is_slow_is_taken_out_and_no_client_notices(
    designs: Designs,
    catalog: DataCatalog,
    ready: TestClient,
    rows: pd.DataFrame,
    served: dict[str, Any],
    design: Callable[..., Design],
    seconds: float | None,
    reason: str,
) -> None:
    bundle = served["bundle"]
    broken = Broken() if seconds is None else Broken(bundle["estimator"], seconds)
    catalog["challengers"].save({"c1": lambda: {**bundle, "estimator": broken}})
    designs.save(design(**VERSUS))

    def stopped() -> bool:
        told = ask(ready, as_json(rows))
        assert told.status_code == 200
        plain = predict(bundle, rows).tolist()
        assert [one["probability"] for one in told.json()["answers"]] == plain
        return designs.load()[0].stopped is not None

    wait_for(stopped)
    stop = designs.load()[0].stopped
    assert stop is not None
    assert stop.by == "the service"
    assert re.search(reason, stop.reason)


def test_a_healthy_challenger_stays(
    designs: Designs,
    catalog: DataCatalog,
    ready: TestClient,
    rows: pd.DataFrame,
    served: dict[str, Any],
    design: Callable[..., Design],
) -> None:
    asked: list[int] = []
    other = another(served["bundle"])
    catalog["challengers"].save({"c1": lambda: asked.append(1) or other})
    designs.save(design(**VERSUS))
    wait_for(lambda: asked != [])
    for _ in range(30):
        assert ask(ready, as_json(rows)).status_code == 200
    assert designs.load()[0].stopped is None


@pytest.mark.parametrize(
    ("since", "silenced", "stops"),
    [
        ("2013-03-04", None, True),
        ("2013-02-18", None, False),  # its week ended before the experiment began
        ("2013-03-04", {"by": "ops", "reason": "known", "until": "2100-01-01T00:00:00Z"}, False),
    ],
)
def test_an_alarm_since_the_start_stops_a_challenger(
    designs: Designs,
    catalog: DataCatalog,
    ready: TestClient,
    served: dict[str, Any],
    seal_design: Callable[..., Design],
    since: str,
    silenced: Any,
    stops: bool,
) -> None:
    other, last = another(served["bundle"]), [date(2100, 1, 1)]
    catalog["challengers"].save({"c1": lambda: other})
    start = date(2013, 3, 1)
    designs.save(seal_design(name="canary", **VERSUS, start=start, looks=[date(2050, 1, 1)]))
    designs.save(seal_design(name="plain", start=date(2050, 1, 1), looks=last))
    alarm = {
        "name": "challenger", "tier": 2, "raised": True, "message": "harm", "evidence": 50.0,
        "limit": 40.0, "weeks": 9, "since": since, "action": "look", "command": "kedro rollback",
        "silenced": silenced, "acknowledged": None,
    }  # fmt: skip
    written = {"moment": "2013-04-01T00:00:00Z", "champion": "v1", "notes": [], "alarms": [alarm]}
    catalog["latest_alarms"].save(written)
    wait_for(lambda: "<strong>Alarm since" in ready.get("/").text)
    wait_for(lambda: "<dt>canary</dt>" in ready.get("/").text)
    if stops:
        wait_for(lambda: designs.load()[0].stopped is not None)
        stop = designs.load()[0].stopped
        assert stop is not None
        assert stop.reason == "monitoring has raised the alarm challenger"
    else:
        time.sleep(0.3)  # the service follows every 0.02 seconds
        assert designs.load()[0].stopped is None
    assert designs.load()[1].stopped is None  # there acting is compared with not acting


def test_after_a_stop_the_champion_answers_all(
    design: Callable[..., Design],
    designs: Designs,
    catalog: DataCatalog,
    ready: TestClient,
    told: Callable[[], list[float]],
    rows: pd.DataFrame,
    served: dict[str, Any],
) -> None:
    catalog["challengers"].save({"c1": lambda: another(served["bundle"])})
    designs.save(design(**VERSUS))
    plain = predict(served["bundle"], rows).tolist()

    wait_for(lambda: told() != plain)
    stop = Stop(by="ops", reason="a test", at=datetime(2013, 1, 2, tzinfo=UTC))
    page = ready.get("/").text
    assert "2013-01-01 to 2100-01-01: 50% of units get the treatment (challenger c1), the" in page
    designs.stop("act_or_not", stop)
    wait_for(lambda: told() == plain)
    page = ready.get("/").text
    assert "<strong>Stopped by ops</strong>: a test" in page
    assert "be loaded" not in page
