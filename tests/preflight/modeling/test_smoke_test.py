"""Before the search: every model can be fitted on every fold, sees every feature, can be kept."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from preflight.errors import RunError
from preflight.modeling import smoke_test
from preflight.modeling.model import predict_uncalibrated
from preflight.modeling.parameters import Modeling
from preflight.modeling.smoke_test import (
    ROWS_PER_LABEL,
    SMOKE_TEST_ROWS,
    dropped_features,
    representative,
    smoke_test_estimators,
)
from preflight.problem.framing import Framing

Examples = Callable[..., pd.DataFrame]
Test = Callable[..., pd.DataFrame]
Refused = Callable[..., AbstractContextManager[Any]]

OURS = "preflight.modeling"
LINEAR = {"path": "sklearn.linear_model.LogisticRegression"}
FEBRUARY = {"start": "2013-02-01T00:00:00-05:00", "until": "2013-03-01T00:00:00-05:00"}
FOLD = "the fold that starts on 2013-02-01"


@pytest.fixture(scope="module")
def examples(make_parcels: Examples, until_test: Examples, framing: Framing) -> pd.DataFrame:
    """Three months: a fold of January and February, and one that ends with March."""
    made = make_parcels("2013-01-01", "2013-04-01", 3000).drop(columns="chance")
    return until_test(made, framing)


@pytest.fixture
def tested(framing: Framing, modeling: Any, trusted_types: list[str], contracts: Any) -> Test:
    """The smoke test of some examples, with one more baseline."""

    def test(
        examples: pd.DataFrame, trusted: Any = trusted_types, trees: bool = True, **more: Any
    ) -> pd.DataFrame:
        written = modeling(search={"trials": 0, "earlier_folds": [FEBRUARY]}).model_dump()
        written["baselines"] |= {"more": more} if more else {}
        asked = Modeling.model_validate(written)
        if not trees:
            asked = asked.model_copy(update={"candidates": {}})
        return smoke_test_estimators(examples, trusted, framing, asked, contracts=contracts)

    return test


def no_bool() -> Any:
    """Preprocessing that forgets whatever is neither a number nor a category."""
    return make_column_transformer(
        (SimpleImputer(), make_column_selector(dtype_include="number")),
        (OneHotEncoder(), make_column_selector(dtype_include="category")),
    )


def chosen() -> Any:
    """Preprocessing that leaves a feature out on purpose."""
    return make_column_transformer(("drop", ["place"]), remainder=SimpleImputer())


def strict() -> Any:
    """Preprocessing that refuses a category that it never saw."""
    return make_column_transformer((OrdinalEncoder(), ["place"]), remainder=SimpleImputer())


def dropping() -> Any:
    """Preprocessing that drops a number that is missing in all of train."""
    return make_column_transformer(
        (SimpleImputer(), ["signal", "noise"]), (OrdinalEncoder(), ["place"])
    )


class Homemade(HistGradientBoostingClassifier):
    """A type that nobody trusts yet."""


def test_good_examples_pass_unchanged(examples: pd.DataFrame, tested: Test) -> None:
    assert tested(examples, **LINEAR, preprocessing=f"{OURS}.preprocessing.scaled") is examples


def test_a_feature_that_a_preprocessing_drops_is_named_with_the_model_and_the_remedy(
    examples: pd.DataFrame, tested: Test, refused: Refused
) -> None:
    more = {**LINEAR, "preprocessing": f"{__name__}.no_bool"}
    assert tested(examples, **more) is examples
    flag = examples.assign(noise=examples["noise"] > 0)
    with refused("modeling.baselines.more", "LogisticRegression", "noise", FOLD, "`remainder`"):
        tested(flag, **more)
    for ours in ("scaled", "numbered"):
        tested(flag, **LINEAR, preprocessing=f"{OURS}.preprocessing.{ours}")
    tested(flag, **LINEAR, preprocessing=f"{__name__}.chosen")


def test_what_is_dropped_inside_another_estimator_is_found(examples: pd.DataFrame) -> None:
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.linear_model import LogisticRegression

    features = ["signal", "place", "noise"]
    flag = examples[features].assign(noise=examples["noise"] > 0)
    inner = make_pipeline(no_bool(), LogisticRegression())
    model = CalibratedClassifierCV(inner, cv=2).fit(flag, examples["label"])
    assert dropped_features(model) == ["noise"]
    whole = CalibratedClassifierCV(inner, cv=2).fit(examples[features], examples["label"])
    assert dropped_features(whole) == []


def sensor_from(examples: pd.DataFrame, start: str) -> pd.DataFrame:
    began = examples["predict_at"] >= pd.Timestamp(start, tz="UTC")
    return examples.assign(noise=examples["noise"].where(began))


def test_a_sensor_that_began_after_a_fold_stops_the_models_that_cannot_take_it(
    examples: pd.DataFrame, tested: Test, refused: Refused
) -> None:
    late = sensor_from(examples, "2013-02-10")
    missing = ["can't be fitted", FOLD, "all values of noise are missing", "earlier_folds"]
    with refused("modeling.candidates.trees", *missing):
        tested(late)
    more = {**LINEAR, "preprocessing": f"{__name__}.numbers_only"}
    with refused("modeling.baselines.more", *missing):
        tested(late, trees=False, **more)
    more = {**LINEAR, "preprocessing": f"{__name__}.dropping"}
    with refused("modeling.baselines.more", "never sees noise", FOLD, "keep_empty_features"):
        tested(late, trees=False, **more)
    tested(sensor_from(examples, "2013-01-10"), **more)
    for ours in ("scaled", "numbered"):
        path, params = "sklearn.ensemble.RandomForestClassifier", {"n_estimators": 3}
        more = {"path": path, "params": params, "preprocessing": f"{OURS}.preprocessing.{ours}"}
        tested(late, trees=False, **more)


def missing_before(examples: pd.DataFrame, name: str, moment: str) -> pd.DataFrame:
    late = examples["predict_at"] >= pd.Timestamp(moment, tz="UTC")
    return examples.assign(**{name: examples[name].where(late)})


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    told = [record.getMessage() for record in caplog.records]
    caplog.clear()
    return told


@pytest.mark.parametrize("feature", ["place", "noise"])
def test_a_feature_without_a_value_before_the_test_stops_whatever_its_type(
    feature: str, examples: pd.DataFrame, tested: Test, refused: Refused
) -> None:
    path, params = "sklearn.ensemble.RandomForestClassifier", {"n_estimators": 3}
    more = {"path": path, "params": params, "preprocessing": f"{OURS}.preprocessing.numbered"}
    tested(examples, trees=False, **more)
    with refused(f"All values of {feature} are missing in train and validation", "`without`") as e:
        tested(missing_before(examples, feature, "2014-01-01"), trees=False, **more)
    assert "earlier_folds" not in str(e.value)  # a later fold can't help


def test_a_category_that_is_missing_in_a_fold_is_a_warning_with_what_helps(
    examples: pd.DataFrame, tested: Test, caplog: pytest.LogCaptureFixture
) -> None:
    tested(examples)
    assert warnings_of(caplog) == []
    tested(missing_before(examples, "place", "2013-02-10"))
    (first,) = warnings_of(caplog)
    assert first.startswith(f"In the train part of {FOLD}, all values of place are missing")
    assert "first value is of 2013-02-10. Let the fold start later" in first
    tested(missing_before(examples, "place", "2013-03-15"))
    first, second = warnings_of(caplog)
    assert FOLD in first
    assert "the fold that starts on 2013-03-01" in second
    for told in (first, second):
        assert "Let validation begin later (framing.split)" in told
        assert "earlier_folds" not in told


@pytest.mark.parametrize("feature", ["place", "noise"])
def test_a_feature_that_is_missing_in_a_validation_part_is_a_warning(
    feature: str, examples: pd.DataFrame, tested: Test, caplog: pytest.LogCaptureFixture
) -> None:
    march = examples["predict_at"] >= pd.Timestamp("2013-03-01T05:00", tz="UTC")
    tested(examples.assign(**{feature: examples[feature].where(~march)}))
    (told,) = warnings_of(caplog)
    assert f"All values of {feature} are missing in the validation part" in told
    assert "the fold that starts on 2013-03-01" in told


def test_a_message_has_the_error_of_a_library_only_where_it_explains_more(
    examples: pd.DataFrame, tested: Test, refused: Refused
) -> None:
    late = sensor_from(examples, "2013-02-10")
    with refused("can't be fitted", "all values of noise are missing") as error:
        tested(late)
    assert "Error" not in str(error.value)
    more = {"path": "sklearn.ensemble.RandomForestClassifier", "params": {"max_dept": 2}}
    with refused("can't be fitted", "TypeError", "max_dept", "all values of noise are missing"):
        tested(late, trees=False, **more)


def numbers_only() -> Any:
    """Preprocessing that hands missing numbers on."""
    return make_column_transformer((OneHotEncoder(), ["place"]), remainder="passthrough")


def many_places(examples: pd.DataFrame, number: int) -> pd.DataFrame:
    """Examples of which most places are met once, where a random sample does not see them."""
    place = examples["place"].astype(str).to_numpy(dtype=object)
    place[:number] = [f"place {i}" for i in range(number)]
    return examples.assign(place=pd.Categorical(place))


def test_more_categories_than_an_estimator_takes_are_found_before_the_search(
    examples: pd.DataFrame, tested: Test, refused: Refused
) -> None:
    with refused("candidates.trees", FOLD, "'place'", "255", "merge rare categories"):
        tested(many_places(examples, 300))
    tested(many_places(examples, 250))


def test_a_category_that_only_validation_has_is_tried(
    examples: pd.DataFrame, tested: Test, refused: Refused
) -> None:
    more = {**LINEAR, "preprocessing": f"{__name__}.strict"}
    tested(examples, **more)
    place = examples["place"].cat.add_categories("moon")
    place[examples.index[-1]] = "moon"
    with refused("baselines.more", "fold that starts on 2013-03-01", "unknown categories"):
        tested(examples.assign(place=place), **more)


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
def test_one_value_that_is_no_number_for_a_model_is_tried(
    value: float, examples: pd.DataFrame, tested: Test, refused: Refused
) -> None:
    """A contract refuses it before; a run without contracts is stopped here."""
    path, params = "sklearn.ensemble.RandomForestClassifier", {"n_estimators": 3}
    more = {"path": path, "params": params, "preprocessing": f"{OURS}.preprocessing.numbered"}
    noise = examples["noise"].astype("float64")
    tested(examples.assign(noise=noise), **more)
    noise[1234] = value
    with refused("baselines.more", "infinity or a value too large"):
        tested(examples.assign(noise=noise), **more)


def test_a_fold_with_one_label_or_no_examples_is_named(
    examples: pd.DataFrame, tested: Test, refused: Refused
) -> None:
    early = examples["predict_at"] < pd.Timestamp("2013-02-01T05:00", tz="UTC")
    with refused(FOLD, "labels are 0", "framing.split"):
        tested(examples.assign(label=examples["label"].where(~early, 0)))
    february = examples["predict_at"].between("2013-01-31T00:00Z", "2013-03-02T00:00Z")
    with refused(FOLD, "no examples", "modeling.search.earlier_folds"):
        tested(examples[~february])


def test_a_fold_that_reaches_into_validation_is_refused(
    examples: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    trusted_types: list[str],
    contracts: Any,
    refused: Refused,
) -> None:
    def test(until: str) -> None:
        folds = [FEBRUARY | {"until": until}]
        asked = modeling(search={"trials": 0, "earlier_folds": folds})
        smoke_test_estimators(examples, trusted_types, framing, asked, contracts)

    test("2013-03-01T00:00:00-05:00")
    with refused("earlier_folds", "2013-03-08", "begins on 2013-03-01", "end earlier"):
        test("2013-03-08T00:00:00-05:00")


def test_an_infinite_amount_is_refused(
    make_amounts: Examples,
    until_test: Examples,
    amount_framing: Framing,
    modeling_amounts: Any,
    trusted_types: list[str],
    contracts: Any,
    refused: Refused,
) -> None:
    amounts = until_test(make_amounts("2013-01-01", "2013-04-01", 600), amount_framing)
    amounts.loc[5, "label"] = np.inf
    with refused("label", "1 infinite", "fold that starts on 2013-03-01"):
        smoke_test_estimators(
            amounts, trusted_types, amount_framing, modeling_amounts(), contracts=contracts
        )


def test_few_rows_have_every_category_extreme_gap_and_label(
    examples: pd.DataFrame, parcels: Any
) -> None:
    rare = many_places(examples, 40).assign(label=0)
    rare.loc[[77, 2900], "label"] = 1
    rare.loc[5, "signal"] = 99
    rare.loc[8, "noise"] = np.nan
    few = representative(rare, seed=1, features=parcels)
    assert len(few) < SMOKE_TEST_ROWS + 40 + 2 * ROWS_PER_LABEL + 20
    assert set(few["place"]) == set(rare["place"])
    assert few["signal"].max() == 99
    assert few["noise"].isna().sum() == 1
    assert few["label"].sum() == 2
    assert few.index.is_monotonic_increasing


def test_a_model_that_could_not_be_loaded_is_named_before_the_search(
    examples: pd.DataFrame, tested: Test, trusted_types: list[str], refused: Refused
) -> None:
    params = {"max_iter": 3, "categorical_features": "from_dtype"}
    more = {"path": f"{__name__}.Homemade", "params": params}
    named = f"trusted: {__name__}.Homemade."
    with refused("modeling.baselines.more", named, "_trusted in conf/base/catalog/modeling.yml"):
        tested(examples, **more)
    tested(examples, [*trusted_types, f"{__name__}.Homemade"], **more)


@pytest.mark.parametrize(
    ("drift", "message"),
    [
        (0.1, "gives other predictions after it was saved and loaded"),
        (1e-15, r"vary in their last digits.*Set n_jobs: 1"),
    ],
)
def test_a_model_that_predicts_otherwise_after_it_was_loaded_is_refused(
    examples: pd.DataFrame,
    tested: Test,
    monkeypatch: pytest.MonkeyPatch,
    drift: float,
    message: str,
) -> None:
    calls = count()

    def drifting(*given: Any) -> Any:
        return predict_uncalibrated(*given) * (1 - drift * next(calls))

    monkeypatch.setattr(smoke_test, "predict_uncalibrated", drifting)
    with pytest.raises(RunError, match=message):
        tested(examples)


def test_each_preprocessing_that_the_search_may_choose_is_tried(
    examples: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    trusted_types: list[str],
    contracts: Any,
    refused: Refused,
) -> None:
    def asked(other: str) -> Modeling:
        choices = [f"{OURS}.preprocessing.scaled", other]
        space = {"preprocessing": {"type": "choice", "choices": choices}}
        candidate = {**LINEAR, "preprocessing": choices[0], "space": space}
        made: Modeling = modeling(candidates={"line": candidate})
        return made

    late = sensor_from(examples, "2013-03-15")
    good = asked(f"{OURS}.preprocessing.scaled")
    smoke_test_estimators(late, trusted_types, framing, good, contracts=contracts)
    with refused(f"candidates.line with {__name__}.dropping", "never sees noise"):
        smoke_test_estimators(
            late, trusted_types, framing, asked(f"{__name__}.dropping"), contracts=contracts
        )


@pytest.mark.parametrize(
    ("model", "spec", "words"),
    [
        ("baselines", {"path": "preflight.modeling.baselines.Rules",
                       "params": {"conditions": ["signall > 1"]}}, "signall"),
        ("baselines", {"path": "preflight.modeling.baselines.Rules",
                       "params": {"conditions": ["signal <<"]}}, "SyntaxError"),
        ("candidates", {"path": "sklearn.ensemble.RandomForestClassifier",
                       "params": {"max_dept": 2}}, "max_dept"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_fitted_is_told_before_the_search(
    model: str,
    spec: dict[str, Any],
    words: str,
    examples: pd.DataFrame,
    framing: Framing,
    modeling: Any,
    trusted_types: list[str],
    contracts: Any,
    refused: Refused,
) -> None:
    written = modeling().model_dump(mode="json")
    written[model]["broken"] = spec
    with refused(f"modeling.{model}.broken", "can't be fitted", words):
        smoke_test_estimators(
            examples, trusted_types, framing, Modeling.model_validate(written), contracts=contracts
        )


def test_a_model_of_the_other_task_is_refused_by_name(
    examples: pd.DataFrame,
    framing: Framing,
    amount_framing: Framing,
    make_amounts: Examples,
    until_test: Examples,
    modeling: Any,
    modeling_amounts: Callable[..., Modeling],
    trusted_types: list[str],
    contracts: Any,
    refused: Refused,
) -> None:
    def test(examples: pd.DataFrame, framing: Framing, asked: Modeling) -> None:
        smoke_test_estimators(examples, trusted_types, framing, asked, contracts=contracts)

    of_amounts = until_test(make_amounts("2013-01-01", "2013-04-01", 400), framing)
    right = modeling_amounts()
    test(of_amounts, amount_framing, right)
    wrong = modeling_amounts(baselines=modeling().baselines)
    with refused("modeling.baselines.never (sklearn.dummy.DummyClassifier)", "can't be fitted"):
        test(of_amounts, amount_framing, wrong)
    with refused("modeling.candidates.trees", "framing.task is binary", "classifier"):
        test(examples, framing, right)
    # labels that a classifier can take
    tolls = of_amounts.assign(label=(of_amounts["label"] > 30).astype(float))
    with refused("modeling.baselines.never", "framing.task is regression", "regressor"):
        test(tolls, amount_framing, wrong)
