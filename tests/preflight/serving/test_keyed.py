"""Requests with keys get the answers of batch inference, or a message that names the key."""

import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pandas as pd
import pytest
import schemathesis
from fastapi.testclient import TestClient
from kedro.io import DataCatalog
from schemathesis.specs.openapi.checks import positive_data_acceptance

from preflight.contracts.table import Table, column
from preflight.deployment import champion
from preflight.errors import RunError
from preflight.inference.keyed_features import KeyedFeatures, key_upcoming
from preflight.inference.predict import predict_upcoming
from preflight.serving import app
from preflight.serving.keyed import KeyedReader
from preflight.serving.requests import RequestReader

from late_flights.contracts.derived import PredictionLog as LoggedPredictions
from late_flights.contracts.features import Features

from .conftest import as_json, ask, wait_for

KEY = Features.grain()
CONTRACT = "late_flights.contracts.derived.KeyedFeatures"
Save = Callable[..., pd.DataFrame]


@pytest.fixture
def table(tmp_path: Path, catalog: DataCatalog) -> KeyedFeatures:
    """The dataset of the features by key, in the catalog of the service."""
    dataset = KeyedFeatures(str(tmp_path / "keyed.sqlite"), CONTRACT)
    catalog["keyed_features"] = dataset
    return dataset


@pytest.fixture
def save(
    table: KeyedFeatures,
    rows: pd.DataFrame,
    served: dict[str, Any],
    project_contracts: dict[str, Any],
) -> Save:
    """Saves rows as a run of inference does, and returns what that run had."""

    def save(
        changed: pd.DataFrame | None = None, minutes: float = 1, run: str = "run-1", lacks: str = ""
    ) -> pd.DataFrame:
        moment = pd.Timestamp.now("UTC").as_unit("us") - pd.Timedelta(minutes=minutes)
        upcoming = (rows if changed is None else changed).assign(moment=moment, lacks=lacks)
        table.save(key_upcoming(upcoming, served["framing"], run, project_contracts))
        return upcoming

    return save


@pytest.fixture
def keyed(table: KeyedFeatures, save: Save, ready: TestClient) -> Iterator[TestClient]:
    """The service with a champion and the features of some rows."""
    save()
    wait_for(lambda: ask_keys(ready, [{}]).status_code == 422)
    return ready


# the table has to be in the catalog before the service is made
@pytest.fixture
def client(table: KeyedFeatures, client: TestClient) -> TestClient:
    return client


def keys_of(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{name: row[name] for name in KEY} for row in as_json(rows)]


def ask_keys(client: TestClient, keys: list[Any], **params: Any) -> Any:
    return client.post("/predict", content=json.dumps({"keys": keys}), params=params)


def messages(answer: Any) -> list[tuple[int | None, list[str]]]:
    return [(fault["row"], fault["messages"]) for fault in answer.json()["faults"]]


def test_the_answers_are_those_of_batch_inference_to_the_bit(
    keyed: TestClient, save: Save, served: dict[str, Any], project_contracts: dict[str, Any]
) -> None:
    bundle = served["bundle"]
    bundle = {**bundle, "provenance": {**bundle["provenance"], "version": "v1"}}
    upcoming = save(run="run-2", lacks="tailnum missing")
    batch = predict_upcoming(bundle, upcoming, served["framing"], project_contracts)
    wait_for(lambda: ask_keys(keyed, keys_of(upcoming)).json()["keyed_table"] == "run-2")
    told = ask_keys(keyed, keys_of(upcoming), explain=True).json()
    for name in ("probability", "act", "untouched", "flags", "reasons"):
        assert [one[name] for one in told["answers"]] == batch[name].tolist(), name
    assert all(one["flags"].startswith("tailnum missing") for one in told["answers"])
    assert (told["model"], told["faults"]) == ("v1", [])
    for i in (0, 7):  # one by one, in the event loop
        (one,) = ask_keys(keyed, keys_of(upcoming.iloc[[i]])).json()["answers"]
        assert one["probability"] == batch["probability"][i]
        assert one["flags"] == batch["flags"][i]


def test_keys_and_rows_get_the_same_answers(keyed: TestClient, rows: pd.DataFrame) -> None:
    by_key, by_row = ask_keys(keyed, keys_of(rows)).json(), ask(keyed, as_json(rows)).json()
    assert by_key["answers"] == by_row["answers"]
    assert by_key["keyed_table"] == "run-1"
    assert "keyed_table" not in by_row


def test_an_offset_or_the_order_of_a_key_makes_no_difference(
    keyed: TestClient, rows: pd.DataFrame
) -> None:
    (key,) = keys_of(rows.head(1))
    moment = pd.Timestamp(key["scheduled_departure"]).tz_convert("Asia/Kolkata").isoformat()
    other = dict(
        reversed((key | {"scheduled_departure": moment, "flight": key["flight"] + 0.0}).items())
    )
    assert ask_keys(keyed, [other]).json()["answers"] == ask_keys(keyed, [key]).json()["answers"]


def test_an_unknown_key_is_named_and_the_others_are_answered(
    keyed: TestClient, rows: pd.DataFrame
) -> None:
    keys = keys_of(rows.head(4))
    keys[1] |= {"carrier": "??"}
    keys[3] |= {"flight": 9999}
    answer = ask_keys(keyed, keys)
    assert answer.status_code == 422
    (first, (says,)), (second, _) = messages(answer)
    assert (first, second) == (1, 3)
    named = rf"carrier \?\?, flight {keys[1]['flight']}, origin {keys[1]['origin']}, scheduled_dep"
    assert re.search(f"no features of {named}.* Correct the key", says)
    some = ask_keys(keyed, keys, partial=True).json()
    assert [one is None for one in some["answers"]] == [False, True, False, True]
    alone = ask_keys(keyed, [keys[2]]).json()["answers"]
    assert some["answers"][2] == alone[0]
    many = [{**keys[0], "flight": 1 + i} for i in range(5_000)]
    refused = ask_keys(keyed, many).json()
    assert (len(refused["faults"]), refused["more"]) == (
        20,
        5_000 - 20 - (keys[0]["flight"] <= 5_000),
    )


def test_stale_features_are_refused_or_flagged(
    table: KeyedFeatures, ready: TestClient, save: Save, rows: pd.DataFrame
) -> None:
    save(rows.head(3), minutes=121.5)
    save(rows.iloc[3:5], minutes=119, run="run-2", lacks="tailnum missing")
    keys = keys_of(rows.head(5))
    wait_for(lambda: ask_keys(ready, keys[3:]).status_code == 200)
    answer = ask_keys(ready, keys)
    assert answer.status_code == 422
    assert [row for row, _ in messages(answer)] == [0, 1, 2]
    named = f"carrier {keys[1]['carrier']}, flight {keys[1]['flight']}, "
    (says,) = messages(answer)[1][1]
    assert f"the features of {named}" in says
    assert "are 122 minutes old: the most is 120 (framing.serving.features_max_age_minutes)" in says
    assert "stale=true" in says
    partly = ask_keys(ready, keys, partial=True).json()["answers"]
    assert [one is None for one in partly] == [True] * 3 + [False] * 2
    told = ask_keys(ready, keys, stale=True)
    assert (told.status_code, told.json()["faults"]) == (200, [])
    by_row = ask(ready, as_json(rows.head(5))).json()["answers"]
    for i, (one, other) in enumerate(zip(told.json()["answers"], by_row, strict=True)):
        before = "stale features" if i < 3 else "tailnum missing"
        assert one["flags"] == ", ".join(filter(None, [before, other["flags"]]))
        assert one["probability"] == other["probability"]


def changed(keys: list[dict[str, Any]], **change: Any) -> bytes:
    return json.dumps({"keys": [keys[0], keys[1] | change]}).encode()


@pytest.mark.parametrize(
    ("body", "row", "says"),
    [
        (lambda k: changed(k, flight="12"), 1, "column flight .*valid integer: '12'"),
        (lambda k: changed(k, flight=0), 1, "column flight is below 1: 0"),
        (lambda k: changed(k, origin="IDL"), 1, "column origin .*'LGA': 'IDL'"),
        (lambda k: changed(k, scheduled_departure=1), 1, "scheduled_departure .*moment.*: 1"),
        (lambda k: changed(k, carrier=None), 1, "column carrier .*string: None"),
        (lambda k: changed(k, hour=1), 1, "column hour is not in the contract"),
        (lambda k: json.dumps({"keys": [k[0], {}]}).encode(), 1, "column carrier is missing"),
        (lambda k: json.dumps({"keys": [k[0], 3]}).encode(), 1, "should be an object"),
        (lambda k: json.dumps({"keys": [k[0], k[1], k[0]]}).encode(), 2, "key .* is not unique"),
        (lambda k: json.dumps({"keys": []}).encode(), None, "keys has no key"),
        (lambda k: json.dumps({"keys": k[0]}).encode(), None, "keys .*valid array"),
        (lambda k: json.dumps({"keys": [k[0]] * 10_001}).encode(), None, "have 10,000 keys"),
        (lambda k: json.dumps({"keys": k, "rows": k}).encode(), None, "either rows, columns or k"),
        (lambda k: json.dumps({"rows": k, "keys": k}).encode(), None, "either rows, columns or k"),
        (lambda k: b'{"keys": [{"carrier"', None, "not valid JSON"),
        (lambda k: b' \n{ "keys" : [{"a": [1]}]}', None, "no list and no object"),
    ],
)
def test_what_is_no_key_is_refused(
    keyed: TestClient,
    rows: pd.DataFrame,
    body: Callable[[list[dict[str, Any]]], bytes],
    row: int | None,
    says: str,
) -> None:
    answer = keyed.post("/predict", content=body(keys_of(rows)))
    assert answer.status_code == 422
    (found, told), *others = messages(answer)
    assert others == []
    assert found == row
    assert re.search(says, told[0]), told


def test_rows_of_a_column_form_have_no_keys(keyed: TestClient) -> None:
    answer = keyed.post("/predict", content=b'{"keys": {"carrier": ["UA"]}}')
    assert answer.status_code == 422


def test_the_log_says_where_features_came_from(
    keyed: TestClient, save: Save, rows: pd.DataFrame, catalog: DataCatalog
) -> None:
    save(rows.head(2), minutes=0, run="run-2", lacks="tailnum missing")
    keys = keys_of(rows.head(4))
    wait_for(lambda: ask_keys(keyed, keys).json()["keyed_table"] == "run-2")
    by_key = ask_keys(keyed, keys).json()
    by_row = ask(keyed, as_json(rows.iloc[4:6])).json()
    moments = [pd.Timestamp(one["moment"]) for one in (by_key, by_row)]

    def logged() -> pd.DataFrame:
        log = catalog["prediction_log"]
        every = log.load() if log.exists() else pd.DataFrame({"moment": []})
        return every[every["moment"].isin(moments)]

    wait_for(lambda: len(logged()) == 6)
    kept = LoggedPredictions.validate(logged()).set_index("flight")
    looked_up = kept.loc[[key["flight"] for key in keys]]
    assert looked_up["features_run"].tolist() == ["run-2"] * 2 + ["run-1"] * 2
    assert looked_up["flags"].str.startswith("tailnum").tolist() == [True] * 2 + [False] * 2
    assert looked_up["slack"].tolist() == pytest.approx(rows["slack"].head(4).tolist(), nan_ok=True)
    assert kept.loc[rows["flight"].iloc[4:6], "features_run"].isna().all()
    assert set(kept["source"]) == {"service"}


def test_a_missing_table_refuses_keys_and_nothing_else(
    ready: TestClient, rows: pd.DataFrame, tmp_path: Path, save: Save
) -> None:
    answer = ask_keys(ready, keys_of(rows))
    assert answer.status_code == 503
    ((row, (says,)),) = messages(answer)
    assert row is None
    assert re.search(r"no table .*keyed\.sqlite\. Write it anew: kedro run --pipelines inf", says)
    assert ask(ready, as_json(rows)).status_code == 200
    save()
    wait_for(lambda: ask_keys(ready, keys_of(rows)).status_code == 200)
    (tmp_path / "keyed.sqlite").unlink()
    wait_for(lambda: ask_keys(ready, keys_of(rows)).status_code == 503)


def test_a_damaged_table_is_refused_and_logged_once_and_replaced(
    keyed: TestClient,
    rows: pd.DataFrame,
    tmp_path: Path,
    save: Save,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = tmp_path / "keyed.sqlite"
    path.write_bytes(path.read_bytes()[:-5000])
    wait_for(lambda: ask_keys(keyed, keys_of(rows)).status_code == 503)
    ((_, (says,)),) = messages(ask_keys(keyed, keys_of(rows)))
    assert re.search(r"damaged: .*keyed\.sqlite .*--pipelines inference", says)
    assert ask(keyed, as_json(rows)).status_code == 200
    assert sum(says in record.getMessage() for record in caplog.records) == 1
    save(run="run-2")
    wait_for(lambda: ask_keys(keyed, keys_of(rows)).status_code == 200)


def test_a_table_of_other_features_is_refused(
    keyed: TestClient, rows: pd.DataFrame, table: KeyedFeatures, monkeypatch: pytest.MonkeyPatch
) -> None:
    from preflight.inference import keyed_features as module

    types = module._types
    fewer = lambda contract: {n: t for n, t in types(contract).items() if n != "slack"}  # noqa: E731
    written = table.load()
    with monkeypatch.context() as patch:
        patch.setattr(module, "_types", fewer)
        table.save(written.assign(run="run-2"))
    wait_for(lambda: ask_keys(keyed, keys_of(rows)).status_code == 503)
    ((_, (says,)),) = messages(ask_keys(keyed, keys_of(rows)))
    assert "column slack is missing" in says


def test_features_that_break_a_new_check_of_the_contract_are_refused_by_key(
    keyed: TestClient, save: Save, rows: pd.DataFrame
) -> None:
    save(rows.head(3).assign(visibility=[1.0, 11.0, 2.0]), minutes=0, run="run-2")
    keys = keys_of(rows.head(4))
    wait_for(lambda: ask_keys(keyed, keys).status_code == 422)
    ((row, says),) = messages(ask_keys(keyed, keys))
    assert row == 1
    assert re.fullmatch("its features break the contract: column visib.* above 10.0: 11.0", says[0])
    told = ask_keys(keyed, keys, partial=True).json()["answers"]
    assert [one is None for one in told] == [False, True, False, False]


def test_each_answer_is_of_one_version_while_runs_replace_the_table(
    keyed: TestClient, save: Save, rows: pd.DataFrame
) -> None:
    many = pd.concat([rows.assign(flight=np.arange(1, 41) + 40 * i) for i in range(4)])
    many = many.astype({"flight": "int32"}).reset_index(drop=True)
    others = many.drop(columns=KEY)

    def features_of_others(i: int) -> pd.DataFrame:
        moved = others.iloc[np.arange(len(many)) - i].reset_index(drop=True)
        return pd.concat([many[KEY], moved], axis=1)[many.columns]

    versions = {f"run-{i}": features_of_others(i) for i in range(2, 14)}
    expected = {}
    for run, changed in versions.items():
        told = ask(keyed, as_json(changed)).json()["answers"]
        expected[run] = [one["probability"] for one in told]
    assert len({tuple(one) for one in expected.values()}) == len(versions)
    stop, asked, failed = threading.Event(), [], []

    def keep_asking() -> None:
        while not stop.is_set():
            answer = ask_keys(keyed, keys_of(many))
            if answer.status_code != 200:
                failed.append(answer.text)
                continue
            told = answer.json()
            asked.append((told["keyed_table"], [one["probability"] for one in told["answers"]]))

    save(versions["run-2"], minutes=0, run="run-2")
    wait_for(lambda: ask_keys(keyed, keys_of(many)).status_code == 200)
    threads = [threading.Thread(target=keep_asking) for _ in range(2)]
    for thread in threads:
        thread.start()
    for run, changed in versions.items():
        before = len(asked)
        save(changed, minutes=0, run=run)
        wait_for(lambda before=before: len(asked) > before + 2)  # type: ignore[misc]
    wait_for(lambda: asked[-1][0] == "run-13")
    stop.set()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len({run for run, _ in asked}) > 2
    assert all(chances == expected[run] for run, chances in asked)


def test_the_document_has_the_form_of_keys(keyed: TestClient) -> None:
    schemas = keyed.get("/openapi.json").json()["components"]["schemas"]
    assert list(schemas["Key"]["properties"]) == KEY
    assert schemas["Key"]["required"] == KEY
    assert schemas["Key"]["additionalProperties"] is False
    keys = schemas["Body"]["properties"]["keys"]
    assert keys["items"] == {"$ref": "#/components/schemas/Key"}
    assert (keys["minItems"], keys["maxItems"]) == (1, 10_000)
    assert {"required": ["keys"]} in schemas["Body"]["oneOf"]


def test_no_request_made_from_the_document_breaks_the_service(keyed: TestClient) -> None:
    document = schemathesis.openapi.from_asgi("/openapi.json", keyed.app)
    asked = set()

    @hypothesis.settings(max_examples=60)
    @hypothesis.given(document["/predict"]["POST"].as_strategy())
    def no_server_error(case: Any) -> None:
        sent = {"params": case.query, "headers": case.headers, "content": json.dumps(case.body)}
        answer = keyed.request(case.method, case.formatted_path, **sent)
        asked.add(next(iter(case.body)))
        assert answer.status_code < 500
        # a document can't say which keys have features
        case.validate_response(answer, excluded_checks=[positive_data_acceptance])

    no_server_error()
    assert "keys" in asked


def test_a_project_without_the_table_says_so(
    tmp_path: Path, catalog: DataCatalog, served: dict[str, Any], rows: pd.DataFrame, promote: Any
) -> None:
    others = DataCatalog({n: catalog[n] for n in catalog if n != "keyed_features"})
    promote(tmp_path, served["bundle"], "v1")
    service = app.create_app(others, tmp_path / champion.POINTER, served["framing"])
    with TestClient(service) as client:
        wait_for(lambda: client.get("/ready").status_code == 200)
        answer = ask_keys(client, keys_of(rows))
        assert answer.status_code == 503
        assert "no dataset keyed_features" in answer.text
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
        assert "keys" not in schemas["Body"]["properties"]


def test_features_whose_key_is_in_no_class_of_its_own_are_refused(table: KeyedFeatures) -> None:
    class Alone(Table, key=["shop"]):
        """Features and key in one class."""

        shop: int = column("number", ge=1)
        weight: float = column("heavy", group="goods")

    with pytest.raises(RunError, match=r"Alone is based on no class .*\(shop\).*class Key"):
        KeyedReader(table, Alone, RequestReader(Alone, 10), 10, pd.Timedelta(hours=1))
