"""Every type that a contract allows for a feature works from file to answer; others are refused."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandera.dtypes import Float32
from pandera.errors import SchemaErrors
from pydantic_core import to_json

from preflight.audit.univariate import bins, sums_and_differences
from preflight.contracts.table import Table, Utc, column
from preflight.datasets import ParquetTable
from preflight.diagnosis.robustness import _faults
from preflight.errors import RunError
from preflight.inference.predict import log_predictions, predict_upcoming
from preflight.modeling.model import (
    Bundle,
    input_flags,
    predict_and_decide,
    predict_uncalibrated,
    reasons,
)
from preflight.modeling.smoke_test import smoke_test_estimators
from preflight.modeling.training import fit, make_bundle
from preflight.problem.framing import Framing
from preflight.serving.requests import RequestReader

Contract = type[Table]
OURS = "preflight.modeling"
ALLOWED = [bool, float, Float32, pd.CategoricalDtype]
ALLOWED += [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]
REFUSED = {
    pd.Int64Dtype: "may be missing as float",
    pd.UInt8Dtype: "may be missing as float",
    pd.Float64Dtype: "a number as float",
    pd.BooleanDtype: "may be missing as float: 1, 0",
    str: "pd.CategoricalDtype",
    pd.StringDtype: "pd.CategoricalDtype",
    object: "pd.CategoricalDtype",
    Utc: "as the minutes since another one: float",
    np.datetime64: "as the minutes since another one: float",
    np.timedelta64: "as its minutes: float",
    np.float16: "a number as float",
    np.complex128: "a number as float",
}
CANDIDATES: dict[str, dict[str, Any]] = {
    "trees": {
        "path": "sklearn.ensemble.HistGradientBoostingClassifier",
        "params": {"max_iter": 5, "categorical_features": "from_dtype", "random_state": 0},
    },
    "line": {
        "path": "sklearn.linear_model.LogisticRegression",
        "preprocessing": f"{OURS}.preprocessing.scaled",
    },
    "forest": {
        "path": "sklearn.ensemble.RandomForestClassifier",
        "preprocessing": f"{OURS}.preprocessing.numbered",
        "params": {"n_estimators": 5, "random_state": 0},
    },
}
BASELINES: dict[str, dict[str, Any]] = {
    "never": {"path": "sklearn.dummy.DummyClassifier", "threshold": 1},
    "lookup": {"path": f"{OURS}.baselines.LookupTable", "params": {"keys": ["told", "place"]}},
    "rules": {"path": f"{OURS}.baselines.Rules", "params": {"conditions": ["told == told"]}},
}


def contract_of(kind: Any) -> Contract:
    class Typed(Table, key=["parcel"]):
        """One row per parcel."""

        parcel: int = column("the parcel")
        predict_at: Utc = column("moment of prediction", "UTC")
        told: kind = column("what tells of the label", group="content")
        place: pd.CategoricalDtype = column("where it goes", group="content")
        weight: Float32 = column("weight", "kg", group="weather", nullable=True)

    return Typed


@pytest.fixture
def kind(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def contract(kind: Any) -> Contract:
    """The contract of the features, with one of the type, which all stages read."""
    return contract_of(kind)


@pytest.fixture
def contracts(contract: Contract) -> dict[str, Contract]:
    return {"features": contract}


@pytest.fixture
def examples(
    contract: Contract, make_parcels: Callable[..., pd.DataFrame], tmp_path: Path
) -> pd.DataFrame:
    """Labelled examples whose features were saved and loaded with their contract."""
    made = make_parcels("2013-01-01", "2013-04-01", 800)
    dtype = contract.to_schema().columns["told"].dtype.type
    level = (made["signal"] * 20 + 60).clip(0, 120).round()
    texts = isinstance(dtype, pd.CategoricalDtype)
    if texts:
        level = level.floordiv(20).astype(str)
    elif dtype.kind == "b":
        level = level > 60
    features = made[["parcel", "predict_at", "place"]].assign(
        told=level.astype(dtype), weight=made["noise"].where(made["noise"] > -1)
    )[list(contract.columns())]
    dataset = ParquetTable(filepath=str(tmp_path / "features.parquet"))
    dataset.save(contract.validate(features))
    loaded = contract.validate(dataset.load())
    pd.testing.assert_frame_equal(loaded, features)
    return loaded.assign(
        label=made["label"],
        label_known_at=made["label_known_at"],
        is_validation=made["predict_at"] >= pd.Timestamp("2013-03-01", tz="UTC"),
    )


@pytest.fixture
def bundles(
    examples: pd.DataFrame, framing: Framing, modeling: Any, contract: Contract
) -> dict[str, Bundle]:
    asked = modeling(candidates=CANDIDATES, baselines=BASELINES)
    specs = {**asked.candidates, **asked.baselines}
    return {name: make_bundle(spec, examples, framing, contract) for name, spec in specs.items()}


each_type = pytest.mark.parametrize("kind", ALLOWED, ids=lambda one: one.__name__, indirect=True)


@each_type
def test_every_model_is_fitted_kept_and_sees_the_feature(
    examples: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    trusted_types: list[str],
    contract: Contract,
    contracts: Any,
) -> None:
    asked = modeling(candidates=CANDIDATES, baselines=BASELINES)
    assert smoke_test_estimators(examples, trusted_types, framing, asked, contracts) is examples
    for spec in asked.candidates.values():
        model = fit(spec, examples, contract)
        changed = examples.assign(told=examples["told"].to_numpy()[::-1])
        features = spec.features(contract.groups())
        one, other = (predict_uncalibrated(model, table, features) for table in (examples, changed))
        assert np.mean(one != other) > 0.2
    numbers = examples[["told", "weight"]].select_dtypes(exclude="category")
    label = examples["label"].to_numpy()
    assert len(sums_and_differences(numbers, label)) == 2 * (numbers.shape[1] - 1)
    assert bins(examples["told"], 64).max() > 1


@each_type
def test_every_model_explains_flags_and_stands_noise(
    examples: pd.DataFrame, bundles: dict[str, Bundle], contract: Contract
) -> None:
    groups = contract.groups()
    for name, bundle in bundles.items():
        said = predict_and_decide(bundle, examples)["probability"]
        why = reasons(bundle, examples, said, groups)
        assert why.str.contains("content").all()
        assert len(set(why)) > 1 or name in {"never", "rules"}
        typical = bundle["provenance"]["reference_values"]["told"]
        assert typical in examples["told"].tolist()
        marks = input_flags(bundle, examples, groups)
        assert not marks["no content"].any()


@each_type
def test_inference_predicts_with_reasons_and_logs_the_feature(
    examples: pd.DataFrame,
    bundles: dict[str, Bundle],
    contract: Contract,
    framing: Framing,
    contracts: Any,
) -> None:
    due = examples[list(contract.columns())].assign(moment=examples["predict_at"], lacks="")
    for bundle in bundles.values():
        bundle["provenance"]["version"] = "v1"
        found = predict_upcoming(bundle, due, framing, contracts)
        assert found["reasons"].str.contains("content").all()
        logged = log_predictions(due, found, framing, contracts)
        pd.testing.assert_series_equal(logged["told"], examples["told"])
        np.testing.assert_array_equal(predict_and_decide(bundle, logged)["act"], found["act"])


@each_type
def test_noise_keeps_type_and_range_and_is_even(examples: pd.DataFrame, contract: Contract) -> None:
    settings: Any = type("Settings", (), {"seed": 1, "noise": 0.05})
    faults = dict(_faults(examples, ["told", "place", "weight"], settings, contract))
    noisy, told = faults["noise of 5% of the spread"]["told"], examples["told"]
    assert noisy.dtype == told.dtype
    assert faults["content missing"]["told"].isna().all()
    if told.dtype.kind == "b" or isinstance(told.dtype, pd.CategoricalDtype):
        assert noisy.equals(told)
        return
    off = noisy.astype("float64") - told.astype("float64")
    assert (off != 0).mean() > 0.3
    assert abs(off.mean()) < 0.2 * off.std()
    if told.dtype.kind in "iu":
        assert noisy.between(told.min(), told.max()).all()


@each_type
def test_the_service_reads_the_feature_and_answers_as_a_batch(
    examples: pd.DataFrame, bundles: dict[str, Bundle], contract: Contract
) -> None:
    some = examples[list(contract.columns())].head(50)
    asked = [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in some.astype(object).to_dict("records")
    ]
    rows = RequestReader(contract, 100)
    for body in ({"rows": asked}, {"columns": {n: [row[n] for row in asked] for n in asked[0]}}):
        found = rows.read(to_json(body))
        assert not found.faults.messages
        for bundle in bundles.values():
            table = rows.table(found.blocks, bundle["features"])
            assert table["told"].dtype.name == some["told"].dtype.name
            said, batch = (predict_and_decide(bundle, t)["probability"] for t in (table, some))
            np.testing.assert_array_equal(said, batch)
            groups = contract.groups()
            why, told = (reasons(bundle, t, batch, groups).tolist() for t in (table, some))
            assert why == told


@pytest.mark.parametrize("kind", ALLOWED[4:], ids=lambda one: one.__name__, indirect=True)
def test_the_service_refuses_an_integer_that_its_type_cannot_hold(contract: Contract) -> None:
    info = np.iinfo(contract.to_schema().columns["told"].dtype.type)
    row = {"parcel": 1, "predict_at": "2013-01-01T00:00:00Z", "place": "north", "weight": None}
    rows = RequestReader(contract, 10)
    for told, faults in {
        int(info.min) - 1: [0],
        int(info.min): [],
        int(info.max): [],
        int(info.max) + 1: [0],
    }.items():
        asked = rows.read(to_json({"rows": [{**row, "told": told}]}))
        assert sorted(asked.faults.rows) == faults


@pytest.mark.parametrize(("kind", "remedy"), REFUSED.items(), ids=str)
def test_a_type_that_models_or_the_service_cannot_take_is_refused_where_it_is_declared(
    kind: Any, remedy: str
) -> None:
    with pytest.raises(RunError, match=f"Typed.told is a feature of type .*{remedy}"):
        contract_of(kind)


def test_the_same_type_is_allowed_in_a_column_that_is_no_feature() -> None:
    class Plain(Table, key=["parcel"]):
        """One row per parcel."""

        parcel: pd.Int64Dtype = column("the parcel")
        packed_at: Utc = column("when it was packed", "UTC")

    assert list(Plain.columns()) == ["parcel", "packed_at"]


def test_categories_that_are_declared_with_the_type_are_refused() -> None:
    from typing import Annotated

    with pytest.raises(RunError, match=r"list the categories with isin=\[\.\.\.\]"):
        contract_of(Annotated[pd.CategoricalDtype, ["a", "b"], False])


@pytest.fixture
def table() -> Iterator[pd.DataFrame]:
    yield pd.DataFrame(
        {
            "parcel": [1, 2, 3],
            "predict_at": pd.to_datetime(["2013-01-01"] * 3, utc=True).as_unit("us"),
            "told": [0.5, np.nan, 2.0],
            "place": pd.Categorical(["north", "south", "north"]),
            "weight": np.array([1, np.nan, 3], "float32"),
        }
    )


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_a_feature_that_is_infinite_is_refused_with_row_and_remedy(
    value: float, table: pd.DataFrame
) -> None:
    contract = contract_of(float)
    table["told"] = table["told"].fillna(0)
    contract.validate(table, lazy=True)
    table.loc[1, "told"] = value
    with pytest.raises(SchemaErrors, match=r"column told: 1 value, e\.g\. "):
        contract.validate(table, lazy=True)


def test_a_category_that_is_no_text_is_refused(table: pd.DataFrame) -> None:
    table["told"] = table["told"].fillna(0)
    table["place"] = pd.Categorical([7, 8, 7])
    with pytest.raises(SchemaErrors, match=r"column place: 3 values, e\.g\. 7, 8, 7"):
        contract_of(float).validate(table, lazy=True)
