"""What validation decides: the best baseline, and whether to calibrate."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from preflight.modeling.calibration import _fit_quantile_shift, select_on_validation
from preflight.modeling.contracts import selection as selection_contract
from preflight.modeling.model import log_odds, platt_scale
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import (
    saving,
)
from preflight.problem.framing import Framing

Settings = Callable[..., Modeling]


def predicted(
    candidate: Callable[[np.ndarray], np.ndarray],
    lookup: Callable[[np.ndarray], np.ndarray] = lambda odds: odds * 0 - 1,
    rows: int = 4000,
) -> pd.DataFrame:
    """Validation predictions whose log-odds are functions of the true ones; two equal folds."""
    rng = np.random.default_rng(0)
    odds = rng.normal(-1, 1.5, rows)

    def probability(log_odds: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-log_odds))

    fold = np.repeat([0, 1], rows // 2)
    hours = pd.to_timedelta(np.arange(rows), unit="h")
    return pd.DataFrame(
        {
            "predict_at": (pd.Timestamp("2013-01-01", tz="UTC") + hours).as_unit("us"),
            "label": (rng.random(rows) < probability(odds)).astype("int8"),
            "fold": fold,
            "last": fold == 1,
            "probability_candidate": probability(candidate(odds)),
            "probability_never": 0.25,
            "probability_lookup": probability(lookup(odds)),
        }
    )


def truth(odds: np.ndarray) -> np.ndarray:
    return odds


def test_validation_picks_the_baseline_that_saves_most(
    framing: Framing, settings: Settings
) -> None:
    for lookup, best in ((truth, "lookup"), (lambda odds: -3 * odds - 8, "never")):
        found = select_on_validation(predicted(truth, lookup), framing, settings())
        assert selection_contract.validate(found) is found
        assert found["best_baseline"] == best
        assert found["values"]["never"] == 0


def test_only_the_last_fold_chooses_the_baseline(framing: Framing, settings: Settings) -> None:
    predictions = predicted(truth, truth)
    good = select_on_validation(predictions, framing, settings())
    predictions.loc[~predictions["last"], "probability_lookup"] = 0.0
    assert select_on_validation(predictions, framing, settings())["values"] == good["values"]
    predictions["probability_lookup"] = 1.0
    predictions.loc[~predictions["last"], "label"] = 1
    last = predictions["label"][predictions["last"]]
    found = select_on_validation(predictions, framing, settings())["values"]["lookup"]
    assert found == pytest.approx(1000 * (4 * last.mean() - (1 - last.mean())))


def test_a_models_own_threshold_goes_before_that_of_the_costs(
    framing: Framing, settings: Settings
) -> None:
    predictions = predicted(truth)
    predictions["probability_never"] = 0.999
    modeling = settings()
    assert select_on_validation(predictions, framing, modeling)["values"]["never"] == 0
    bare = modeling.baselines["never"].model_copy(update={"threshold": None})
    changed = modeling.model_copy(update={"baselines": {**modeling.baselines, "never": bare}})
    assert select_on_validation(predictions, framing, changed)["values"]["never"] != 0


def test_only_the_framed_baselines_are_to_be_beaten(framing: Framing, settings: Settings) -> None:
    only = framing.model_copy(update={"baselines": ["never"]})
    assert select_on_validation(predicted(truth), only, settings())["best_baseline"] == "never"


def test_a_calibrated_candidate_is_left_as_it_is(framing: Framing, settings: Settings) -> None:
    found = select_on_validation(predicted(truth), framing, settings())["calibration"]
    assert (found["slope"], found["intercept"]) == (1.0, 0.0)
    assert found["loss_without"] - found["loss_with"] <= 0.001


def test_a_miscalibrated_candidate_is_set_right(framing: Framing, settings: Settings) -> None:
    predictions = predicted(lambda odds: 2 * odds + 1)
    found = select_on_validation(predictions, framing, settings())["calibration"]
    assert found["slope"] == pytest.approx(0.5, abs=0.05)
    assert found["intercept"] == pytest.approx(-0.5, abs=0.1)
    assert found["loss_without"] - found["loss_with"] > 0.02


def test_a_line_is_judged_on_the_last_fold_and_then_fitted_on_all(
    framing: Framing, settings: Settings
) -> None:
    predictions = predicted(lambda odds: 2 * odds + 1)
    raw, label = predictions["probability_candidate"].to_numpy(), predictions["label"].to_numpy()

    def line(rows: np.ndarray) -> tuple[float, float]:
        model = LogisticRegression(C=np.inf).fit(log_odds(raw[rows])[:, None], label[rows])
        return model.coef_.item(), model.intercept_.item()

    last = predictions["last"].to_numpy()
    found = select_on_validation(predictions, framing, settings())["calibration"]
    assert (found["slope"], found["intercept"]) == pytest.approx(line(last | True))
    judged = platt_scale(raw[last], *line(~last))
    losses = -np.log(np.where(label[last] == 1, judged, 1 - judged))
    assert found["loss_with"] == pytest.approx(losses.mean())


def test_a_gain_too_small_to_matter_changes_nothing(framing: Framing, settings: Settings) -> None:
    predictions = predicted(lambda odds: 2 * odds + 1)
    found = select_on_validation(predictions, framing, settings(gain=0.9))["calibration"]
    assert (found["slope"], found["intercept"]) == (1.0, 0.0)
    assert found["loss_without"] - found["loss_with"] > 0.02


def test_a_line_that_does_not_hold_on_the_last_fold_is_not_used(
    framing: Framing, settings: Settings
) -> None:
    predictions = predicted(truth)
    earlier = ~predictions["last"]
    raw = predictions.loc[earlier, "probability_candidate"]
    predictions.loc[earlier, "probability_candidate"] = platt_scale(raw.to_numpy(), 3.0, 2.0)
    found = select_on_validation(predictions, framing, settings())["calibration"]
    assert (found["slope"], found["intercept"]) == (1.0, 0.0)
    assert found["loss_with"] > found["loss_without"]


@pytest.mark.parametrize("label", [None, 0, 1])
def test_without_an_earlier_fold_to_learn_from_nothing_is_calibrated(
    framing: Framing, label: int | None, settings: Settings
) -> None:
    predictions = predicted(lambda odds: 2 * odds + 1)
    if label is None:
        predictions = predictions[predictions["last"]]
    else:
        predictions.loc[~predictions["last"], "label"] = label
    found = select_on_validation(predictions, framing, settings())
    assert found["calibration"].keys() == {"slope", "intercept", "loss_without"}
    assert (found["calibration"]["slope"], found["calibration"]["intercept"]) == (1.0, 0.0)
    assert selection_contract.validate(found) is found


def test_selection_values_each_row_at_its_own_cost(
    settings: Settings, framing_with_column: Framing
) -> None:
    predictions = predicted(truth, truth)
    amount = np.random.default_rng(3).uniform(3, 60, len(predictions))
    found = select_on_validation(
        predictions.assign(cost_fn=amount), framing_with_column, settings()
    )
    last = predictions["last"].to_numpy()
    chance, label = predictions["probability_lookup"][last], predictions["label"][last] == 1
    act = chance > 1 / (amount[last] - 1)
    saved = np.where(label, amount[last] - 2, -1) * act
    assert found["values"]["lookup"] == pytest.approx(1000 * saved.mean())
    assert found["values"]["never"] == 0


def test_a_model_worse_than_chance_is_not_turned_round_by_calibration(
    framing: Framing,
    settings: Settings,
) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    upside_down = np.where(label == 1, 0.2, 0.8)
    predictions = pd.DataFrame(
        {
            "predict_at": pd.date_range("2013-01-01", periods=400, freq="h", tz="UTC"),
            "label": label,
            "last": np.arange(400) >= 200,
            "probability_candidate": upside_down,
            "probability_never": 0.5,
            "probability_lookup": 0.5,
        }
    )
    line = select_on_validation(predictions, framing, settings())["calibration"]
    assert line["loss_with"] < line["loss_without"] - 0.1
    assert (line["slope"], line["intercept"]) == (1.0, 0.0)


def amounts(shift: Callable[[pd.DataFrame], Any]) -> pd.DataFrame:
    """Two folds of amounts; the candidate says the cheapest ones, but for a shift."""
    rng = np.random.default_rng(4)
    rows = 4000
    last = np.arange(rows) >= rows // 2
    middle = rng.normal(30, 10, rows)
    label = middle + rng.uniform(-8, 8, rows)
    table = pd.DataFrame({"label": label, "last": last, "prediction_usual": 35.0})
    said = middle + 4  # above three quarters of what may come
    return table.assign(prediction_lookup=middle, prediction_candidate=said + shift(table))


def test_amounts_that_cost_least_are_left_as_they_are(
    amount_framing: Framing, modeling_amounts: Callable[..., Modeling]
) -> None:
    modeling = modeling_amounts(calibration_gain=0.01)
    found = select_on_validation(amounts(lambda _: 0), amount_framing, modeling)
    assert selection_contract.validate(found) is found
    assert (found["calibration"]["slope"], found["calibration"]["intercept"]) == (1.0, 0.0)
    assert found["best_baseline"] == "lookup"


def test_amounts_that_are_off_are_shifted_and_that_is_judged_on_the_last_fold(
    amount_framing: Framing, modeling_amounts: Callable[..., Modeling]
) -> None:
    modeling = modeling_amounts(calibration_gain=0.01)
    predictions = amounts(lambda table: 6)
    found = select_on_validation(predictions, amount_framing, modeling)["calibration"]
    error = predictions["label"] - predictions["prediction_candidate"]
    last = predictions["last"]
    assert found["slope"] == 1
    assert found["intercept"] == pytest.approx(error.quantile(0.75), abs=0.02)

    def cost(shift: float) -> float:
        off = shift - error[last]
        return float(np.maximum(off, -3 * off).mean())

    assert found["loss_without"] == pytest.approx(cost(0))
    assert found["loss_with"] == pytest.approx(cost(error[~last].quantile(0.75)), abs=0.01)
    lenient = modeling_amounts(calibration_gain=found["loss_without"])
    kept = select_on_validation(predictions, amount_framing, lenient)["calibration"]
    assert kept["intercept"] == 0


def test_a_shift_that_does_not_hold_on_the_last_fold_is_not_used(
    amount_framing: Framing, modeling_amounts: Callable[..., Modeling]
) -> None:
    predictions = amounts(lambda table: np.where(table["last"], 0, 9))
    modeling = modeling_amounts(calibration_gain=0.01)
    found = select_on_validation(predictions, amount_framing, modeling)["calibration"]
    assert (found["slope"], found["intercept"]) == (1.0, 0.0)
    assert found["loss_with"] > found["loss_without"]


@pytest.mark.parametrize("rows", [1, 2, 30])
def test_no_other_shift_costs_less_where_each_row_has_its_own_costs(
    amount_framing: Framing, rows: int
) -> None:
    rng = np.random.default_rng(rows)
    costs = amount_framing.costs.model_copy(update={"overage": "dear", "underage": "scarce"})
    framing = amount_framing.model_copy(update={"costs": costs})
    some = pd.DataFrame(
        {
            "label": rng.normal(30, 10, rows),
            "prediction_candidate": 30.0,
            "dear": rng.uniform(0.1, 5, rows),
            "scarce": rng.uniform(0.1, 5, rows),
        }
    )

    def cost(shift: float) -> float:
        return -float(saving(some, np.full(rows, 30 + shift), framing).sum())

    found = cost(_fit_quantile_shift(some, framing))
    assert found == pytest.approx(min(cost(error) for error in some["label"] - 30))


def test_a_candidate_of_amounts_is_shifted_and_says_so(made_amounts: dict[str, Any]) -> None:
    candidate, selected = made_amounts["candidate"], made_amounts["selection"]
    assert candidate["threshold"] is None
    assert candidate["provenance"]["framing"]["task"] == "regression"
    assert selected["values"]["candidate"] > selected["values"]["lookup"] > 0
    assert "prediction_candidate" in made_amounts["validation_predictions"]
