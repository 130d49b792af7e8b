"""The service gives the champion's numbers, follows it, and says what is wrong with a request."""

import asyncio
import concurrent.futures
import json
import math
import random
import re
import threading
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
import schemathesis
from fastapi.testclient import TestClient
from kedro.io import DataCatalog, DatasetError, Version
from kedro_datasets.json import JSONDataset
from schemathesis.specs.openapi.checks import positive_data_acceptance

from preflight.deployment import champion
from preflight.inference.feedback import SALT, draw_uniform
from preflight.modeling.model import decide, predict
from preflight.serving import app
from preflight.serving import log_writer as log
from preflight.serving import service as behind
from preflight.serving.answer import Champion, Ready, Refusal
from preflight.serving.document import describe_type

from late_flights.contracts.derived import PredictionLog as LoggedPredictions
from late_flights.contracts.features import Features

from .conftest import COLUMNS, Promote, another, as_json, ask, wait_for


def test_the_probabilities_are_those_of_the_bundle(
    ready: TestClient, rows: pd.DataFrame, served: dict[str, Any]
) -> None:
    chance = predict(served["bundle"], rows)
    told = ask(ready, as_json(rows)).json()
    assert [one["probability"] for one in told["answers"]] == chance.tolist()
    decided = decide(served["bundle"], chance, rows).tolist()
    assert [one["act"] for one in told["answers"]] == decided
    assert (told["model"], told["faults"]) == ("v1", [])
    for i in (0, 7):
        (one,) = ask(ready, as_json(rows.iloc[[i]])).json()["answers"]
        assert one["probability"] == chance[i]
        assert one["reasons"] == ""


def test_one_row_is_answered_as_the_estimator_itself_does_with_what_it_never_saw(
    ready: TestClient, rows: pd.DataFrame, served: dict[str, Any]
) -> None:
    bundle, some = served["bundle"], rows.head(12).copy()
    some["dest"] = some["dest"].cat.add_categories("ZZZ")
    some.loc[:2, "dest"] = "ZZZ"
    some.loc[1:6, ["visibility", "slack", "route_rate"]] = np.nan
    own = bundle["estimator"].predict_proba(some[bundle["features"]])[:, 1]
    told = [ask(ready, as_json(some.iloc[[i]])).json()["answers"][0] for i in range(len(some))]
    assert [one["probability"] for one in told] == own.tolist()
    assert ["unseen dest" in one["flags"] for one in told] == [True] * 3 + [False] * 9


def as_columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"columns": {name: [row[name] for row in rows] for name in COLUMNS}}


def test_columns_are_answered_by_column_with_the_same_numbers(
    ready: TestClient, rows: pd.DataFrame, catalog: DataCatalog
) -> None:
    many = pd.concat([rows, rows.assign(flight=rows["flight"] % 1000 + 9000)], ignore_index=True)
    some = as_json(many)  # more than are answered at once with others
    by_row = ask(ready, some).json()["answers"]
    told = ready.post("/predict", content=json.dumps(as_columns(some))).json()
    assert told["answers"] == {name: [one[name] for one in by_row] for name in by_row[0]}
    some[1]["distance"] = -1
    some[3] |= {name: some[0][name] for name in Features.grain()}
    body = json.dumps(as_columns(some))
    told = ready.post("/predict", content=body, params={"partial": True}).json()
    flags = [None if i in {1, 3} else one["flags"] for i, one in enumerate(by_row)]
    assert told["answers"]["flags"] == flags
    answer = ready.post("/predict", content=body)
    assert answer.status_code == 422
    assert answer.json()["faults"] == told["faults"]
    says = [(fault["row"], fault["messages"]) for fault in told["faults"]]
    assert [row for row, _ in says] == [1, 3]
    assert re.search(r"distance .*0\.0: -1$", *says[0][1])
    assert ", ".join(Features.grain()) in says[1][1][0]


def test_columns_have_to_be_all_there_and_of_one_length(
    ready: TestClient, rows: pd.DataFrame
) -> None:
    whole = as_columns(as_json(rows.head(3)))
    for change, says in (
        ({"slack": [1.0]}, "differ in length.* slack 1, .* 3"),
        ({"slack": [1.0, 2.0, "x"]}, "slack .*number: 'x'"),
        ({"slack": 1.0}, "slack .*array"),
        ({"slack": None}, "slack .*array"),
        ({"tail": [1]}, "tail .*not in the contract"),
    ):
        answer = ready.post("/predict", content=json.dumps({"columns": whole["columns"] | change}))
        assert answer.status_code == 422
        (message,) = answer.json()["faults"][0]["messages"]
        assert re.search(says, message)
    both = {**whole, "rows": as_json(rows.head(1))}
    for body in (both, {}):
        answer = ready.post("/predict", content=json.dumps(body))
        (message,) = answer.json()["faults"][0]["messages"]
        assert "rows, columns or keys" in message


def test_many_who_ask_at_once_get_their_own_answers(
    ready: TestClient, rows: pd.DataFrame, served: dict[str, Any]
) -> None:
    chance = predict(served["bundle"], rows).tolist()
    each = as_json(rows)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        told = list(pool.map(lambda row: ask(ready, [row]).json(), each))
    assert [one["answers"][0]["probability"] for one in told] == chance
    assert len({one["moment"] for one in told}) == len(told)


def test_moments_may_have_any_offset(ready: TestClient, rows: pd.DataFrame) -> None:
    some = as_json(rows.head(3))
    for row, zone in zip(some, ("America/New_York", "Asia/Kolkata", "UTC"), strict=True):
        row["predict_at"] = pd.Timestamp(row["predict_at"]).tz_convert(zone).isoformat()
    told = ask(ready, some).json()["answers"]
    assert told == ask(ready, as_json(rows.head(3))).json()["answers"]


def test_reasons_are_given_when_they_are_asked_for(ready: TestClient, rows: pd.DataFrame) -> None:
    told = ask(ready, as_json(rows), explain=True).json()["answers"]
    assert all(one["reasons"].count(", ") == 2 for one in told)


def test_a_bad_row_is_refused_with_all_its_faults_in_words(
    ready: TestClient, rows: pd.DataFrame
) -> None:
    good, bad, double = *as_json(rows.head(2)), as_json(rows.head(1))[0]
    bad |= {"visibility": 11, "hour": True, "origin": "IDL", "tail": 1}
    del bad["slack"]
    answer = ask(ready, [good, bad, double])
    assert answer.status_code == 422
    (first, second) = answer.json()["faults"]
    assert first["row"] == 1
    expected = (
        "hour .*number: True",
        "origin .*'EWR', 'JFK' or 'LGA': 'IDL'",
        "slack is missing",
        "tail .*not in the contract",
        r"visibility .*10\.0: 11",
    )
    for pattern, message in zip(expected, sorted(first["messages"]), strict=True):
        assert re.search(pattern, message)
    assert second["row"] == 2
    (message,) = second["messages"]
    assert ", ".join(Features.grain()) in message


def test_good_rows_are_answered_beside_bad_ones_if_that_is_asked_for(
    ready: TestClient, rows: pd.DataFrame, served: dict[str, Any]
) -> None:
    some = as_json(rows.head(3))
    some[1]["distance"] = -1
    some[1]["weekday"] = None
    answer = ask(ready, some, partial=True)
    assert answer.status_code == 200
    told = answer.json()
    chance = predict(served["bundle"], rows)
    assert told["answers"][1] is None
    assert [told["answers"][i]["probability"] for i in (0, 2)] == chance[[0, 2]].tolist()
    assert [fault["row"] for fault in told["faults"]] == [1]
    for row in some:
        row["distance"] = -1
    assert ask(ready, some, partial=True).status_code == 422


@pytest.mark.parametrize("body", [b"", b"[]", b'{"rows": []}', b'{"rows": [1]}', b"\xff\x00"])
def test_what_is_no_body_is_refused(ready: TestClient, body: bytes) -> None:
    answer = ready.post("/predict", content=body)
    assert answer.status_code == 422
    assert answer.json()["faults"][0]["messages"]


def test_too_much_at_once_is_refused(
    ready: TestClient, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = as_json(rows.head(1)) * (app.MAX_ROWS + 1)
    answer = ask(ready, many)
    assert answer.status_code == 422
    assert "a request may have 10,000 rows" in str(answer.json())
    monkeypatch.setattr(app, "MAX_BYTES", 1000)
    answer = ask(ready, many[:2])
    assert answer.status_code == 413
    assert "1,000 bytes" in str(answer.json())


def answered(
    service: Any, headers: dict[str, str], parts: list[bytes], ends: str = "waits"
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and content of the answer to a body that comes in parts and has no end."""
    told: list[Any] = []

    async def receive() -> Any:
        if parts:
            return {"type": "http.request", "body": parts.pop(0), "more_body": True}
        if ends == "waits":
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        told.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "query_string": b""}
    scope["headers"] = [(name.encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(service(scope, receive, send))
    start, *rest = told
    content = json.loads(b"".join(part["body"] for part in rest))
    return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, content


def test_a_body_has_a_deadline(ready: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BODY_SECONDS", 0.01)
    status, headers, content = answered(ready.app, {}, [b'{"rows":', b"[{"])
    assert (status, headers["connection"]) == (408, "close")
    assert "within 0.01 seconds" in str(content)
    status, _, content = answered(ready.app, {}, [b'{"rows":'], "gone")
    assert (status, content["faults"][0]["messages"]) == (400, ["the body is not complete"])


def test_a_large_body_is_not_read_to_its_end(
    ready: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MAX_BYTES", 1000)
    parts = [b" " * 400] * 9
    status, headers, _ = answered(ready.app, {}, parts)  # of unknown length
    assert (status, headers["connection"], len(parts)) == (413, "close", 6)
    status, _, _ = answered(ready.app, {"content-length": "1001"}, parts)
    assert (status, len(parts)) == (413, 6)


def test_a_compressed_body_is_refused(ready: TestClient, rows: pd.DataFrame) -> None:
    body = json.dumps({"rows": as_json(rows.head(1))}).encode()
    for encoding, status in (("gzip", 415), ("identity", 200)):
        answer = ready.post("/predict", content=body, headers={"content-encoding": encoding})
        assert answer.status_code == status


def test_an_answer_lists_twenty_faults_and_counts_the_rest(
    ready: TestClient, rows: pd.DataFrame
) -> None:
    some = as_json(rows)
    for row in some[1:]:
        row["distance"] = -1
    answer = ask(ready, some, partial=True).json()
    assert [fault["row"] for fault in answer["faults"]] == [*range(1, 21)]
    assert answer["more"] == len(some) - 21
    assert [one is None for one in answer["answers"]] == [False] + [True] * (len(some) - 1)
    answer = ready.post("/predict", content=b'{"rows":[' + b",".join([b"{}"] * 10_000) + b"]}")
    assert (answer.status_code, len(answer.content) < 2000) == (422, True)
    told = answer.json()
    assert (len(told["faults"]), len(told["faults"][0]["messages"])) == (1, 20)
    assert told["more"] == len(COLUMNS) - 20 + 9_999


def test_many_rows_are_read_and_answered_in_threads(
    ready: TestClient, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(name: str, function: Any) -> Any:
        def noted(*given: Any, **named: Any) -> Any:
            seen[name] = threading.current_thread().name
            return function(*given, **named)

        return noted

    seen: dict[str, str] = {}
    service = ready.app.state.service
    monkeypatch.setattr(service.reader, "read", of("read", service.reader.read))
    predictor = service.predictor
    monkeypatch.setattr(predictor, "_predict", of("predict", predictor._predict))
    monkeypatch.setattr(app, "to_json", of("to_json", app.to_json))
    many = [row | {"flight": n + 1} for n in range(100) for row in as_json(rows.head(1))]
    assert ask(ready, many).status_code == 200
    assert all(name.startswith("large_") for name in seen.values()), seen
    assert [*seen] == ["read", "predict", "to_json"]
    assert ask(ready, many[:1]).status_code == 200
    assert not any(name.startswith("large_") for name in seen.values()), seen


def test_whole_numbers_may_be_written_as_pandas_writes_them(
    ready: TestClient, rows: pd.DataFrame
) -> None:
    (row,) = as_json(rows.head(1))
    whole, part = row | {"flight": float(row["flight"])}, row | {"flight": row["flight"] + 0.5}
    assert ask(ready, [whole]).json()["answers"] == ask(ready, [row]).json()["answers"]
    (fault,) = ask(ready, [part]).json()["faults"]
    assert re.search(f"flight .*integer: {part['flight']}", *fault["messages"])


def test_what_is_new_or_missing_is_served_and_flagged(
    ready: TestClient, rows: pd.DataFrame
) -> None:
    row = as_json(rows.head(1))[0] | {"dest": "XYZ"}
    row |= dict.fromkeys(Features.groups()["weather"])
    (told,) = ask(ready, [row]).json()["answers"]
    assert "unseen dest" in told["flags"]
    assert "no weather" in told["flags"]


def test_a_key_is_asked_for_if_one_is_set(
    ready: TestClient, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(behind.API_KEY_VARIABLE, "secret")
    assert ask(ready, as_json(rows.head(1))).status_code == 401
    for path, status in (("/model", 401), ("/ready", 200), ("/health", 200)):
        assert ready.get(path).status_code == status
    for key, status in (("another", 401), ("secret", 200)):
        ready.headers["X-API-Key"] = key
        assert ask(ready, as_json(rows.head(1))).status_code == status


def test_without_a_champion_it_says_so_and_follows_the_first(
    client: TestClient,
    rows: pd.DataFrame,
    tmp_path: Path,
    served: dict[str, Any],
    promote: Promote,
) -> None:
    assert client.get("/health").json() == {"status": "alive"}
    for answer in (client.get("/ready"), client.get("/model"), ask(client, as_json(rows))):
        assert answer.status_code == 503
        assert "there is no champion" in str(answer.json())
    for run in ("v0", "v1"):
        (tmp_path / f"card.md/{run}").mkdir(parents=True)
        (tmp_path / f"card.md/{run}/card.md").write_text(f"the card of {run}")
    promote(tmp_path, served["bundle"], "v1")
    wait_for(lambda: client.get("/ready").status_code == 200)
    assert client.get("/ready").json() == {"model": "v1"}
    about = client.get("/model").json()
    assert about["card"] == "the card of v1"
    promote(tmp_path, served["bundle"], "v2")
    wait_for(lambda: client.get("/ready").json() == {"model": "v2"})
    assert client.get("/model").json()["card"] is None
    assert (about["version"], about["run"]) == ("v1", "v1")
    assert about["provenance"]["examples"] == 15_000
    assert about["framing"]["costs"]["fn"] == 500


class Failing:
    """An estimator that can't answer."""

    def predict_proba(self, rows: pd.DataFrame) -> Any:
        raise RuntimeError("out of memory")


def test_a_champion_that_fails_is_logged_once(
    ready: TestClient, rows: pd.DataFrame, served: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    predictor = ready.app.state.service.predictor  # type: ignore[attr-defined]
    whole = predictor.current
    broken = whole._replace(bundle={**served["bundle"], "estimator": Failing()})
    predictor._answering = broken
    for _ in range(3):
        told = ask(ready, as_json(rows))
        assert told.status_code == 500
        assert "the champion can't answer" in str(told.json())
    assert caplog.text.count("Go back: kedro rollback") == 1
    assert caplog.text.count("RuntimeError: out of memory") == 1
    predictor._answering = whole
    assert ask(ready, as_json(rows)).status_code == 200


def test_a_champion_that_is_withdrawn_answers_no_more(
    ready: TestClient, rows: pd.DataFrame, tmp_path: Path
) -> None:
    pointer = tmp_path / champion.POINTER
    champion.withdraw(pointer, champion.Override(by="ops", reason="complaints"))
    wait_for(lambda: ready.get("/ready").status_code == 503)
    refused = ask(ready, as_json(rows))
    assert refused.status_code == 503
    assert "kedro rollback" in str(refused.json())
    assert "There is no champion" in ready.get("/").text
    assert 'preflight_champion{version="v1"}' not in ready.get("/metrics").text
    champion.roll_back(pointer, "v1")
    wait_for(lambda: ready.get("/ready").status_code == 200)
    assert ask(ready, as_json(rows)).status_code == 200


def test_promotions_and_rollbacks_under_load_fail_no_request(
    ready: TestClient,
    rows: pd.DataFrame,
    tmp_path: Path,
    served: dict[str, Any],
    promote: Promote,
) -> None:
    models = {"v1": served["bundle"], "v2": another(served["bundle"])}
    says = {name: predict(bundle, rows).tolist() for name, bundle in models.items()}
    assert says["v1"] != says["v2"]
    each, told, ended = as_json(rows), [], False

    def load(i: int) -> None:
        while not ended:
            answer = ask(ready, [each[i]])
            told.append((i, answer.status_code, answer.json()))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(load, i) for i in range(4)]
        for change in range(10):
            if change % 2:
                champion.roll_back(tmp_path / champion.POINTER)
            else:
                promote(tmp_path, models["v2"], "v2")
            name = "v1" if change % 2 else "v2"
            wait_for(lambda name=name: ready.get("/ready").json()["model"] == name)
        ended = True
        for one in asking:
            one.result()
    assert {status for _, status, _ in told} == {200}
    assert {answer["model"] for _, _, answer in told} == {"v1", "v2"}
    for i, _, answer in told:
        assert answer["answers"][0]["probability"] == says[answer["model"]][i]


def test_a_champion_that_can_not_be_loaded_leaves_the_one_in_memory(
    ready: TestClient, rows: pd.DataFrame, tmp_path: Path
) -> None:
    before = metric(ready, "preflight_champion_failed_total")
    pointer = tmp_path / champion.POINTER
    now = champion.current(pointer)
    assert now is not None
    gone = now.model_copy(update={"version": "v2", "path": "gone", "instead_of": now.sha256})
    champion.promote(pointer, gone)
    wait_for(lambda: metric(ready, "preflight_champion_failed_total") > before)
    assert ready.get("/ready").json() == {"model": "v1"}
    assert ask(ready, as_json(rows)).json()["model"] == "v1"


def metric(client: TestClient, name: str) -> float:
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_what_was_answered_is_logged_with_what_was_asked(
    ready: TestClient, rows: pd.DataFrame, catalog: DataCatalog, served: dict[str, Any]
) -> None:
    some = as_json(rows)
    some[3]["distance"] = -1
    ask(ready, some, partial=True)
    ask(ready, some)  # refused: not answered, not logged
    first = ask(ready, as_json(rows.head(2))).json()
    wait_for(catalog["prediction_log"].exists)
    wait_for(lambda: len(catalog["prediction_log"].load()) == len(rows) + 1)
    kept = LoggedPredictions.validate(catalog["prediction_log"].load())
    assert set(kept["source"]) == {"service"}
    last = kept[kept["moment"] == pd.Timestamp(first["moment"])]
    chance = predict(served["bundle"], rows)
    assert last["probability"].tolist() == chance[:2].tolist()
    np.testing.assert_array_equal(last["slack"], rows["slack"].head(2))


def test_a_row_of_the_log_has_what_later_stages_need(
    ready: TestClient, rows: pd.DataFrame, catalog: DataCatalog
) -> None:
    ask(ready, as_json(rows))
    wait_for(catalog["prediction_log"].exists)
    kept = catalog["prediction_log"].load()
    known = pd.Timedelta(hours=72)  # framing.prediction.label_known_hours
    assert ((kept["label_due_at"] - kept["predict_at"]) == known).all()
    assert (kept["log_version"] == 3).all()
    assert not kept["untouched"].any()
    assert kept[["unit", "variant"]].isna().all(axis=None)


def test_a_share_is_left_untouched_in_answers_and_log(
    tmp_path: Path,
    catalog: DataCatalog,
    served: dict[str, Any],
    promote: Promote,
    rows: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log, "FLUSH_SECONDS", 0.05)
    decision = served["framing"].decision
    decision = decision.model_copy(update={"changes_label": True, "untouched_share": 0.3})
    framing = served["framing"].model_copy(update={"decision": decision})
    bundle = {**served["bundle"], "threshold": 0.0}  # acts on all
    promote(tmp_path, bundle, "v1")
    untouched = draw_uniform(rows, Features.grain(), SALT) < 0.3
    assert 0 < untouched.sum() < len(rows)
    with TestClient(app.create_app(catalog, tmp_path / champion.POINTER, framing)) as client:
        wait_for(lambda: client.get("/ready").status_code == 200)
        told = ask(client, as_json(rows)).json()["answers"]
        by_column = client.post("/predict", content=json.dumps(as_columns(as_json(rows)))).json()
    assert [one["untouched"] for one in told] == untouched.tolist()
    assert [one["act"] for one in told] == (~untouched).tolist()
    assert [one["probability"] for one in told] == predict(bundle, rows).tolist()
    assert by_column["answers"]["untouched"] == untouched.tolist()
    kept = LoggedPredictions.validate(catalog["prediction_log"].load())
    assert kept["untouched"].tolist() == [*untouched, *untouched]


def input_check(moment: str, *problems: str) -> dict[str, Any]:
    faults = [
        {
            "day": "2013-02-20",
            "feed": "weather",
            "column": "gust",
            "problem": one,
            "remedy": "Mend.",
        }
        for one in problems
    ]
    about = {"limits": "2013-02-19", "override": None, "blocked": bool(faults)}
    return {"moment": moment, "faults": faults, **about}


def test_while_inputs_are_blocked_it_answers_why_and_goes_on_when_they_are_not(
    ready: TestClient, rows: pd.DataFrame, catalog: DataCatalog
) -> None:
    catalog["latest_input_check"].save(input_check("2013-02-20T10:00:00Z"))
    assert ask(ready, as_json(rows)).status_code == 200
    catalog["latest_input_check"].save(input_check("2013-02-20T11:00:00Z", "frozen"))
    wait_for(lambda: ready.get("/ready").status_code == 503)
    for answer in (ask(ready, as_json(rows)), ready.get("/ready")):
        assert answer.status_code == 503
        (fault,) = answer.json()["faults"]
        assert "  - 2013-02-20, feed weather, column gust: frozen. Mend." in fault["messages"]
    assert ready.get("/health").status_code == ready.get("/model").status_code == 200
    assert metric(ready, "preflight_blocked") == 1
    catalog["latest_input_check"].save(input_check("2013-02-20T12:00:00Z"))
    wait_for(lambda: ready.get("/ready").status_code == 200)
    assert ask(ready, as_json(rows)).status_code == 200
    assert metric(ready, "preflight_blocked") == 0


def test_a_project_without_checks_of_inputs_is_never_blocked(
    tmp_path: Path, catalog: DataCatalog, served: dict[str, Any], promote: Promote
) -> None:
    others = set(catalog.keys()) - {"latest_input_check"}
    without = DataCatalog({name: catalog[name] for name in others})
    promote(tmp_path, served["bundle"], "v1")
    service = app.create_app(without, tmp_path / champion.POINTER, served["framing"])
    with TestClient(service) as client:
        wait_for(lambda: client.get("/ready").status_code == 200)


def alarms_of(version: str, raised: bool, **quiet: Any) -> dict[str, Any]:
    alarm = {"tier": 2, "name": "challenger", "message": "It saved $90 less.", "limit": 40.0}
    alarm |= {"raised": raised, "evidence": 90.0 if raised else 0.5, "weeks": 30}
    alarm |= {"since": "2013-08-19" if raised else None, "action": "Promote the challenger."}
    alarm |= {"command": "kedro run --pipelines refit", "silenced": None, "acknowledged": None}
    other = alarm | {"name": "discrimination", "raised": False, "evidence": None, "since": None}
    found = [alarm | quiet, other]
    return {"moment": "2013-09-01T12:00:00Z", "champion": version, "notes": [], "alarms": found}


def test_alarms_are_gauges(ready: TestClient, catalog: DataCatalog) -> None:
    catalog["latest_alarms"].save(alarms_of("v1", raised=True))
    wait_for(lambda: metric(ready, 'preflight_alarm{alarm="challenger"}') == 1)
    assert metric(ready, 'preflight_alarm{alarm="discrimination"}') == 0
    assert metric(ready, 'preflight_alarm_evidence{alarm="challenger"}') == 90
    assert metric(ready, 'preflight_alarm_quiet{alarm="challenger"}') == 0
    moment = pd.Timestamp("2013-09-01T12:00:00Z").timestamp()
    assert metric(ready, "preflight_monitoring_timestamp_seconds") == moment
    known = {"by": "ops", "reason": "a refit is due", "since": "2013-08-19"}
    catalog["latest_alarms"].save(alarms_of("v1", raised=True, acknowledged=known))
    wait_for(lambda: metric(ready, 'preflight_alarm_quiet{alarm="challenger"}') == 1)
    assert "Acknowledged by ops: a refit is due" in ready.get("/").text
    catalog["latest_alarms"].save(alarms_of("v1", raised=False, evidence=None))
    wait_for(lambda: metric(ready, 'preflight_alarm{alarm="challenger"}') == 0)
    assert math.isnan(metric(ready, 'preflight_alarm_evidence{alarm="challenger"}'))


def test_the_page_shows_champion_volume_and_monitoring(
    ready: TestClient, rows: pd.DataFrame, catalog: DataCatalog
) -> None:
    page = ready.get("/").text
    assert "The service answers." in page
    assert "<dd>v1</dd>" in page
    assert "Monitoring has not run yet" in page
    assert "not on this disk" in page  # its verdict
    assert re.search(r"<dt>In use since</dt><dd>20\d\d-\d\d-\d\d \d\d:\d\d UTC</dd>", page)
    head = ready.head("/")
    assert (head.status_code, head.content) == (200, b"")
    ask(ready, as_json(rows))
    assert re.search(r"Half of the requests</dt><dd>answered within [\d.]+ ms", ready.get("/").text)
    catalog["latest_alarms"].save(alarms_of("v1", raised=True))
    wait_for(lambda: "Monitoring has raised an alarm" in ready.get("/").text)
    page = ready.get("/").text
    assert "<strong>Alarm since the week of 2013-08-19.</strong> It saved $90 less." in page
    assert "<code>kedro run --pipelines refit</code>" in page
    assert "Evidence 90, alarm at 40." in page
    assert "of another champion" not in page
    catalog["latest_alarms"].save(alarms_of("v0", raised=True, evidence=1_234_567.8))
    wait_for(lambda: "of another champion: v0" in ready.get("/").text)
    assert "Evidence 1,234,568, alarm at 40." in ready.get("/").text
    assert "The service answers.</h1>" in ready.get("/").text  # the alarm is not this champion's
    catalog["latest_input_check"].save(input_check("2013-02-20T11:00:00Z", "frozen"))
    wait_for(lambda: "Nothing is answered, because inputs" in ready.get("/").text)
    assert "column gust: frozen. Mend." in ready.get("/").text


def test_the_page_has_the_verdict_of_the_recipe_and_needs_the_key(
    client: TestClient,
    tmp_path: Path,
    catalog: DataCatalog,
    served: dict[str, Any],
    promote: Promote,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "There is no champion" in client.get("/").text
    gain = {"baseline": "lookup_table", "mean": 1080.0, "low": 780.0, "high": 1470.0}
    verdict = {"decision": "ship", "value": {"over_baseline": gain}}
    file = tmp_path / "verdict.json" / "v1" / "verdict.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(verdict))
    catalog["verdict"] = JSONDataset(
        filepath=str(tmp_path / "verdict.json"), version=Version(None, None)
    )
    promote(tmp_path, served["bundle"], "v1")
    wait_for(lambda: client.get("/ready").status_code == 200)
    page = client.get("/").text
    assert "saves $1,080 more per 1,000 flights than lookup table (95% CI $780 to $1,470)" in page
    monkeypatch.setenv(behind.API_KEY_VARIABLE, "secret")
    assert client.get("/").status_code == client.head("/").status_code == 401
    assert client.get("/", headers={"X-API-Key": "secret"}).status_code == 200


def test_a_broken_file_of_alarms_stops_nothing_and_is_logged_once(
    ready: TestClient,
    rows: pd.DataFrame,
    catalog: DataCatalog,
    tmp_path: Path,
    served: dict[str, Any],
    promote: Promote,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def failed() -> float:
        return metric(ready, "preflight_champion_failed_total")

    def damage() -> float:
        """Breaks the file in one step; returns the failures before it."""
        (tmp_path / "broken").write_text("{")
        before = failed()
        (tmp_path / "broken").replace(tmp_path / "alarms.json")
        return before

    for times in (1, 2):  # each time that it breaks
        before = damage()
        wait_for(lambda before=before: failed() > before + 3)
        assert caplog.text.count("can't be loaded") == times
        catalog["latest_alarms"].save(alarms_of("v1", raised=True, evidence=100.0 + times))
        wait_for(lambda n=times: f"Evidence {100 + n}" in ready.get("/").text)
    before = damage()
    wait_for(lambda: failed() > before)
    assert ask(ready, as_json(rows)).status_code == 200
    promote(tmp_path, another(served["bundle"]), "v2")
    wait_for(lambda: ready.get("/ready").json()["model"] == "v2")


def test_a_full_disk_stops_the_log_and_not_the_service(
    ready: TestClient, rows: pd.DataFrame, catalog: DataCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: pd.DataFrame) -> None:
        raise DatasetError("No space left on device")

    before = metric(ready, "preflight_log_lost_rows_total")
    with monkeypatch.context() as patch:
        patch.setattr(catalog["prediction_log"], "save", full)
        assert ask(ready, as_json(rows)).status_code == 200
        lost, all_of_them = "preflight_log_lost_rows_total", before + len(rows)
        wait_for(lambda: metric(ready, lost) == all_of_them)
    assert ask(ready, as_json(rows)).status_code == 200  # and there is space again
    wait_for(catalog["prediction_log"].exists)
    monkeypatch.setattr(log, "MAX_QUEUED_ROWS", 10)
    ask(ready, as_json(rows))
    assert metric(ready, "preflight_log_lost_rows_total") == before + 2 * len(rows)


def test_when_much_waits_it_is_written_at_once(
    ready: TestClient, rows: pd.DataFrame, catalog: DataCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(ready, as_json(rows.head(1)))
    wait_for(catalog["prediction_log"].exists)
    monkeypatch.setattr(log, "FLUSH_SECONDS", 3600.0)
    monkeypatch.setattr(log, "MAX_QUEUED_ROWS", 4 * len(rows))
    for _ in range(2):
        assert ask(ready, as_json(rows)).status_code == 200
    wait_for(lambda: len(catalog["prediction_log"].load()) == 2 * len(rows) + 1)


def test_requests_are_counted(ready: TestClient, rows: pd.DataFrame) -> None:
    name = 'preflight_requests_total{path="/predict",status="200"}'
    before = metric(ready, name)
    ask(ready, as_json(rows))
    ask(ready, as_json(rows), explain=True)  # FastAPI has its own way of a request with a query
    assert metric(ready, name) == before + 2
    assert metric(ready, 'preflight_champion{version="v1"}') == 1


def test_a_query_that_says_nothing_new_changes_nothing(
    ready: TestClient, rows: pd.DataFrame
) -> None:
    plain = ask(ready, as_json(rows)).json()
    asked = ready.post(
        "/predict?partial=false&explain=0", content=json.dumps({"rows": as_json(rows)})
    )
    assert asked.json()["answers"] == plain["answers"]
    assert ready.post("/predict?partial=perhaps", content="{}").status_code == 422
    assert ready.get("/predict").status_code == 405


def test_the_openapi_document_says_what_the_contract_says(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    row = schemas["Row"]["properties"]
    assert list(row) == list(Features.to_schema().columns)
    assert row["origin"]["enum"] == ["EWR", "JFK", "LGA"]
    assert row["distance"]["description"] == "between the airports (miles)"
    numbers, nothing = row["visibility"]["anyOf"]
    assert (numbers["minimum"], numbers["maximum"], nothing) == (0, 10, {"type": "null"})


def test_the_document_has_the_key_and_a_schema_for_every_answer(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    (scheme,) = document["components"]["securitySchemes"].values()
    assert (scheme["type"], scheme["in"], scheme["name"]) == ("apiKey", "header", "X-API-Key")
    needs_key = {path for path, one in document["paths"].items() if "security" in str(one)}
    assert needs_key == {"/predict", "/model", "/"}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert list(answer["content"]) == ["application/json"]
                for content in answer["content"].values():
                    assert content["schema"], (path, status)
                    if status >= "400":
                        assert content["schema"]["$ref"].endswith("/Refusal"), (path, status)
    assert {*document["paths"]["/predict"]["post"]["responses"]} == {
        *("200", "400", "401", "408", "413", "415", "422", "500", "503")
    }


def test_every_refusal_has_the_same_shape(
    ready: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise OSError("a file is gone")

    monkeypatch.setattr(app, "render_status", fail)
    for method, path, status, said in (
        ("GET", "/nothing", 404, "Not Found"),
        ("GET", "/predict", 405, "Method Not Allowed"),
        ("DELETE", "/health", 405, "Method Not Allowed"),
        ("POST", "/predict?partial=perhaps", 422, "query.partial: .*boolean"),
        ("POST", "/predict", 422, ""),
        ("GET", "/", 500, "log of the service"),
    ):
        answer = ready.request(method, path)
        assert answer.status_code == status
        told = Refusal.model_validate(answer.json(), strict=True)
        assert re.search(said, told.faults[0].messages[0])
    assert "GET" in ready.delete("/health").headers["allow"]


def test_what_the_endpoints_answer_fits_their_schemas(ready: TestClient) -> None:
    assert Champion.model_validate(ready.get("/model").json(), strict=True).version == "v1"
    assert Ready.model_validate(ready.get("/ready").json()).model == "v1"


def test_health_checks_may_ask_for_the_head_alone(client: TestClient) -> None:
    assert client.head("/health").status_code == client.head("/").status_code == 200
    assert client.head("/ready").status_code == 503


def test_the_page_of_the_document_loads_nothing_and_names_what_there_is(
    client: TestClient,
) -> None:
    page = client.get("/docs").text
    assert not re.search(r"<script|<link|src=|https?://", page)
    document = client.get("/openapi.json").json()
    for path in document["paths"]:
        assert f"{path}</h2>" in page
    for name in (*document["components"]["schemas"], *Features.to_schema().columns):
        assert name in page
    assert "number, at least 0, at most 10 or null" in page
    assert client.get("/redoc").status_code == 404


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/Row"}, "Row"),
        ({"type": "array", "items": {}, "maxItems": 9_999}, "list of anything, with at most 9,999"),
        ({"enum": ["a", "b"]}, "one of a, b"),
        ({"const": 1}, "one of 1"),
        ({"type": "string", "format": "date-time"}, "date-time"),
        ({}, "anything"),
    ],
)
def test_types_are_described_in_words(schema: dict[str, Any], words: str) -> None:
    assert describe_type(schema) == words


def test_no_request_made_from_its_own_document_breaks_it(ready: TestClient) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", ready.app)
    asked: dict[str, set[int]] = {}
    for operation in document.get_all_operations():
        case = operation.ok().as_strategy()

        @hypothesis.settings(max_examples=40)
        @hypothesis.given(case)
        def no_server_error(case: Any) -> None:
            answer = ready.request(case.method, case.formatted_path, **sent(case))
            asked.setdefault(case.path, set()).add(answer.status_code)
            assert answer.status_code < 500
            # a document can't say that keys are unique, nor between what moments lie
            case.validate_response(answer, excluded_checks=[positive_data_acceptance])

        no_server_error()
    assert asked["/predict"] >= {200}
    assert len(asked) == 6


def sent(case: Any) -> dict[str, Any]:
    given = {"params": case.query, "headers": case.headers}
    return given | ({"content": json.dumps(case.body)} if case.method == "POST" else {})


def test_random_bytes_break_nothing(ready: TestClient, rows: pd.DataFrame) -> None:
    random.seed(1)
    whole = json.dumps({"rows": as_json(rows.head(2))}).encode()
    for _ in range(300):
        body = bytearray(whole)
        for _ in range(random.randint(1, 8)):
            at = random.randrange(len(body))
            body[at : at + random.randint(0, 5)] = random.randbytes(random.randint(0, 5))
        answer = ready.post("/predict", content=bytes(body), params={"partial": True})
        assert answer.status_code in {200, 422}, bytes(body)
