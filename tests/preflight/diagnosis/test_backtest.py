"""The backtest: each period is decided on by what was known when it began."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.datasets import ParquetTable
from preflight.diagnosis import backtest as module
from preflight.diagnosis.backtest import compute_backtest
from preflight.diagnosis.contracts import Backtest, Rolling
from preflight.errors import RunError
from preflight.modeling.training import fit_predict

Made = dict[str, Any]
PARTS = ("train", "validation", "test")


def rolled(made: Made, **asked: int) -> Made:
    rolling = Rolling(**{"cutoffs": 3, "weeks": 4} | asked)
    return {**made, "diagnosis": made["diagnosis"].model_copy(update={"backtest": rolling})}


def backtest_of(made: Made) -> pd.DataFrame:
    names = [
        *PARTS, "test_predictions", "best_params", "selection", "framing", "modeling",
        "evaluation", "diagnosis", "contracts",
    ]  # fmt: skip
    return Backtest.validate(compute_backtest(*(made[name] for name in names)), lazy=True)


@pytest.fixture(scope="module")
def found(made: Made) -> pd.DataFrame:
    return backtest_of(made)


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> list[tuple[pd.DataFrame, pd.DataFrame]]:
    """What each model was fitted on, and the examples that it predicted."""
    seen: list[tuple[pd.DataFrame, pd.DataFrame]] = []

    def spy(spec: Any, known: pd.DataFrame, period: pd.DataFrame, features: Any) -> Any:
        seen.append((known, period))
        return fit_predict(spec, known, period, features)

    monkeypatch.setattr(module, "fit_predict", spy)
    return seen


def test_periods_are_equally_long_and_end_with_the_test(made: Made, found: pd.DataFrame) -> None:
    local = [found[end].dt.tz_convert("America/New_York") for end in ("cutoff", "until")]
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in local[0]] == [
        "2013-03-09 00:00", "2013-04-06 00:00", "2013-05-04 00:00",
    ]  # fmt: skip
    assert local[1].tolist() == [*local[0].iloc[1:], pd.Timestamp("2013-06-01", tz=local[0].dt.tz)]
    last = made["test"]["predict_at"].max()
    assert found["until"].iloc[-1] - pd.Timedelta(days=1) <= last < found["until"].iloc[-1]


def test_a_row_is_the_gain_of_models_fitted_by_hand(made: Made, found: pd.DataFrame) -> None:
    row = found.iloc[1]
    examples = pd.concat([made[part] for part in PARTS])
    known = examples[examples["label_known_at"] <= row["cutoff"]]
    period = examples[
        (examples["predict_at"] >= row["cutoff"]) & (examples["predict_at"] < row["until"])
    ]
    assert (row["rows"], row["decisions"]) == (len(known), len(period))
    features, label = ["signal", "place", "noise"], period["label"].to_numpy()
    trees = made["modeling"].candidates["trees"].build().fit(known[features], known["label"])
    act = trees.predict_proba(period[features])[:, 1] > 0.2
    rates = known.groupby("place", observed=True)["label"].mean()
    rival = period["place"].astype(str).map(rates).to_numpy() > 0.2
    costs = {True: np.where(label == 1, 2, 1), False: np.where(label == 1, 6, 0)}
    paid, rivals = (np.where(acts, costs[True], costs[False]) for acts in (act, rival))
    assert row["baseline"] == "lookup"
    assert row["value_per_1000"] == pytest.approx(1000 * (costs[False] - paid).mean())
    assert row["gain"] == pytest.approx(1000 * (rivals - paid).mean())
    gain = made["evaluation"].bootstrap(period, made["framing"]).per_1000(rivals - paid)
    assert row[["gain_low", "gain_high"]].tolist() == pytest.approx([gain["low"], gain["high"]])
    assert row["gain_low"] > 0  # the signal is worth something


@pytest.mark.parametrize("embargo_hours", [0, 24])
def test_no_label_that_came_after_a_cutoff_is_learnt_from(
    made: Made, fits: list[tuple[pd.DataFrame, pd.DataFrame]], embargo_hours: int
) -> None:
    split = made["framing"].split.model_copy(update={"embargo_hours": embargo_hours})
    framing = made["framing"].model_copy(update={"split": split})
    found = backtest_of({**made, "framing": framing})
    assert len(fits) == 2 * len(found) == 6
    for (known, period), cutoff in zip(fits, found["cutoff"].repeat(2), strict=True):
        last = known["label_known_at"].max() + pd.Timedelta(hours=embargo_hours)
        assert cutoff - pd.Timedelta(hours=3) < last <= cutoff <= period["predict_at"].min()
    assert found["rows"].is_monotonic_increasing


def test_a_baseline_decides_by_its_own_threshold(made: Made) -> None:
    found = backtest_of({**made, "selection": {"best_baseline": "never"}})
    assert found["gain"].tolist() == pytest.approx(found["value_per_1000"].tolist())


def test_parts_may_know_different_categories(made: Made, found: pd.DataFrame) -> None:
    test = made["test"].copy()
    test["place"] = test["place"].cat.reorder_categories(["west", "south", "north"])
    pd.testing.assert_frame_equal(backtest_of({**made, "test": test}), found)


def test_cutoffs_before_the_data_are_left_out_with_a_warning(
    made: Made, found: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    backtest_of(made)
    assert not caplog.records
    more = backtest_of(rolled(made, cutoffs=7))
    assert more["cutoff"].tolist()[-3:] == found["cutoff"].tolist()
    assert len(more) == 5
    early, late = (record.getMessage() for record in caplog.records)
    assert "cut-off 2012-11-17: there are no examples" in early
    assert "cut-off 2012-12-15: nothing can be learnt from the 0 examples" in late
    assert "diagnosis.backtest in conf/base/parameters/diagnosis.yml" in late


def test_where_all_labels_are_the_same_nothing_is_learnt(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    april = pd.Timestamp("2013-04-01T04:00", tz="UTC")
    same = {part: made[part].assign(label=np.int8(0)) for part in ("train", "validation")}
    found = backtest_of(rolled({**made, **same}, cutoffs=2, weeks=7))
    assert (found["cutoff"] > april).tolist() == [True]
    (said,) = caplog.messages
    assert "cut-off 2013-02-23: nothing can be learnt" in said


def test_a_model_that_can_not_be_fitted_so_early_costs_its_cutoff_alone(
    made: Made, modeling: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    early = made["train"]["predict_at"] < pd.Timestamp("2013-02-01", tz="UTC")
    train = made["train"][~early | (made["train"]["place"] != "south")]
    linear = {"path": "sklearn.linear_model.LogisticRegression"}
    strict = linear | {"preprocessing": f"{__name__}.strict"}
    asked = rolled({**made, "train": train, "modeling": modeling(candidates={"linear": strict})})
    chosen = {"candidate": "linear", "params": {}}
    found = backtest_of(rolled({**asked, "best_params": chosen}, cutoffs=5))
    assert f"{found['cutoff'].min():%Y-%m-%d}" == "2013-02-09"
    (said,) = caplog.messages
    assert "cut-off 2013-01-12: " in said
    assert "unknown categories ['south']" in said


def strict() -> Any:
    """Preprocessing that refuses a category that it never saw."""
    from sklearn.compose import make_column_transformer
    from sklearn.preprocessing import OrdinalEncoder

    return make_column_transformer((OrdinalEncoder(), ["place"]), ("passthrough", ["signal"]))


def test_without_cutoffs_nothing_is_fitted_and_the_table_is_empty(
    made: Made, fits: list[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = backtest_of(rolled(made, cutoffs=0))
    assert found.empty
    assert not fits
    assert not caplog.records
    dataset = ParquetTable(filepath=f"{tmp_path}/backtest.parquet")
    dataset.save(found)
    Backtest.validate(dataset.load(), lazy=True)


def test_amounts_are_decided_on_by_their_quantile(made_amounts: Made) -> None:
    found = backtest_of(made_amounts)
    assert (found["baseline"] == made_amounts["selection"]["best_baseline"]).all()
    assert (found["gain"] > 0).all()


def test_predictions_of_an_older_test_set_are_refused(made: Made) -> None:
    older = made["test_predictions"].iloc[1:].reset_index(drop=True)
    with pytest.raises(RunError, match="'test_predictions' belong to an older 'test'"):
        backtest_of({**made, "test_predictions": older})


@pytest.mark.parametrize(
    "defect", [{"gain_low": 1e6}, {"until": pd.Timestamp("2013-01-01", tz="UTC").as_unit("us")}]
)
def test_bounds_that_are_not_in_order_are_refused(
    found: pd.DataFrame, refuse_table: Callable[..., None], defect: dict[str, Any]
) -> None:
    refuse_table(Backtest, found, defect, "bounds are in order")
