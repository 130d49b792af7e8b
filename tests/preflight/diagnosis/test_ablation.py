"""What bought the gain, on parcels whose truth is known."""

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from preflight.diagnosis.ablation import THRESHOLD_HALF_STEP, compute_ablation
from preflight.diagnosis.contracts import Ablation
from preflight.errors import RunError
from preflight.problem.framing import Framing

Made = dict[str, Any]


class Fickle(HistGradientBoostingClassifier):
    """A candidate whose fit is lucky or unlucky: it shifts its predictions by chance.

    `fitted` keeps the seed and the examples of each fit.
    """

    fitted: ClassVar[list[tuple[int, set[int]]]] = []

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        self.fitted.append((self.random_state, {*X.index}))
        luck = np.random.default_rng([self.random_state, X.shape[1]])
        self.shift_ = luck.normal(0, 0.08)
        return super().fit(X, y)

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        chance = np.clip(super().predict_proba(X)[:, 1] + self.shift_, 0, 1)
        return np.column_stack([1 - chance, chance])


class NeedsWeather(HistGradientBoostingClassifier):
    """A candidate that does not work without the last group of features."""

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        X["noise"].max()
        return super().fit(X, y)


def waterfall_of(made: Made) -> pd.DataFrame:
    steps = compute_ablation(**{name: made[name] for name in made if name != "baselines"})
    return Ablation.validate(steps, lazy=True)


def on(table: pd.DataFrame, part: str) -> pd.DataFrame:
    return table[table["part"] == part].set_index("step")


def test_the_steps_lead_from_the_best_baseline_to_the_candidate(made: Made) -> None:
    steps = waterfall_of(made)
    test, predictions = on(steps, "test"), made["test_predictions"]
    costs = made["framing"].costs.at(made["test"])
    assert made["selection"]["best_baseline"] == test.index[0] == "lookup"
    label = predictions["label"].to_numpy()
    for step, act in {"lookup": "act_lookup", "all examples": "act"}.items():
        worth = 1000 * costs.saving(label, predictions[act].to_numpy()).mean()
        assert test.loc[step, "value_per_1000"] == pytest.approx(worth)
    last = made["validation_predictions"]
    assert on(steps, "validation").loc["all examples", "value_per_1000"] == pytest.approx(
        made["selection"]["values"]["candidate"]
    )
    assert len(last) == len(made["validation"])


def test_what_tells_is_seen_to_gain_and_noise_is_not(made: Made) -> None:
    test = on(waterfall_of(made), "test")
    assert list(test.index) == [
        "lookup",
        "content alone",
        "weather",
        "all examples",
        "if it acted above 50%",
    ]
    assert test.loc["content alone", "gain_low"] > 100
    assert test.loc["weather", "gain_low"] <= 0
    assert test.loc["if it acted above 50%", "gain_high"] < 0  # the threshold that pays is 0.2


@pytest.mark.parametrize(
    "name",
    ["all examples", "tuning", "calibration", "lookup", "content alone", THRESHOLD_HALF_STEP],
)
def test_a_group_that_is_called_like_another_step_is_a_step_of_its_own(
    made: Made, parcels: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    usual = waterfall_of(made)
    content, weather = parcels.groups().values()
    monkeypatch.setattr(parcels, "groups", lambda: {"content": content, name: weather})
    renamed = waterfall_of(made)
    assert list(on(renamed, "test").index) == [
        "lookup", "content alone", name, "all examples", THRESHOLD_HALF_STEP,
    ]  # fmt: skip
    pd.testing.assert_frame_equal(renamed.drop(columns="step"), usual.drop(columns="step"))


def test_half_is_as_good_a_threshold_where_the_costs_say_so(made: Made) -> None:
    even = made["framing"].costs.model_copy(update={"tp": 0.0, "fp": 1.0, "fn": 1.0})
    framing = made["framing"].model_copy(update={"costs": even})
    at_half = on(waterfall_of({**made, "framing": framing}), "test")
    assert at_half.loc["if it acted above 50%", "gain"] == 0


def test_tuning_is_a_step_where_it_changed_something(
    made: Made, make: Any, modeling: Any, framing: Framing, make_parcels: Any
) -> None:
    assert "tuning" not in set(waterfall_of(made)["step"])
    parcels = make_parcels("2013-01-01", "2013-06-01", 6000)
    tuned = make(parcels, framing, modeling(), {"max_iter": 3, "learning_rate": 0.01})
    test = on(waterfall_of(tuned), "test")
    assert list(test.index)[3:5] == ["tuning", "all examples"]
    assert test.loc["tuning", "gain_high"] < 0  # three small steps learn nothing
    kept = make(parcels, framing, modeling(), {"max_iter": 30})
    assert "tuning" not in set(waterfall_of(kept)["step"])


def test_a_candidate_that_needs_a_later_group_skips_the_step(
    make: Any, modeling: Any, framing: Framing, make_parcels: Any
) -> None:
    picky = modeling(f"{__name__}.NeedsWeather")
    made = make(make_parcels("2013-01-01", "2013-06-01", 6000), framing, picky)
    steps = waterfall_of(made)
    assert list(on(steps, "test").index)[:3] == ["lookup", "weather", "all examples"]


@pytest.fixture(scope="module")
def fickle(make: Any, modeling: Any, framing: Framing, make_parcels: Any) -> Made:
    return make(
        make_parcels("2013-01-01", "2013-06-01", 6000), framing, modeling(f"{__name__}.Fickle")
    )


def fitted_times(made: Made, fits: int) -> Made:
    return {**made, "diagnosis": made["diagnosis"].model_copy(update={"fits": fits})}


def test_a_lucky_fit_is_no_gain(fickle: Made) -> None:
    """The group `weather` is noise: fitted once, a lucky or unlucky fit makes it significant."""
    once = on(waterfall_of(fitted_times(fickle, 1)), "test").loc["weather"]
    assert once["gain_low"] > 0 or once["gain_high"] < 0
    often = on(waterfall_of(fitted_times(fickle, 3)), "test").loc["weather"]
    assert often["gain_low"] < 0 < often["gain_high"]


def test_each_fit_has_its_own_seed_and_sample_the_same_in_each_step(fickle: Made) -> None:
    Fickle.fitted.clear()
    steps = waterfall_of(fickle)
    seeds, samples = zip(*Fickle.fitted, strict=True)
    assert seeds == (1, 2, 3) * 2  # of two groups; the candidate isn't fitted again
    assert samples[:3] == samples[3:]
    assert all(len(sample) == fickle["diagnosis"].step_rows for sample in samples)
    assert samples[0] != samples[1] != samples[2] != samples[0]
    assert on(steps, "test")["fits"].to_dict() == {
        "lookup": 1, "content alone": 3, "weather": 3, "all examples": 1, THRESHOLD_HALF_STEP: 1,
    }  # fmt: skip


def test_a_value_is_the_mean_over_fits(fickle: Made) -> None:
    by_seed = []
    for seed in fickle["diagnosis"].seeds:
        alone = fickle["diagnosis"].model_copy(update={"fits": 1, "seed": seed})
        by_seed.append(on(waterfall_of({**fickle, "diagnosis": alone}), "test")["value_per_1000"])
    mean = on(waterfall_of(fickle), "test")["value_per_1000"]
    pd.testing.assert_series_equal(mean, sum(by_seed) / 3)
    assert by_seed[0]["weather"] != by_seed[1]["weather"]


def test_results_of_another_run_are_refused(made: Made) -> None:
    fewer = made["modeling"].candidates["trees"].model_copy(update={"exclude_groups": ["weather"]})
    modeling = made["modeling"].model_copy(update={"candidates": {"trees": fewer}})
    with pytest.raises(RunError, match="'candidate' was made with other features"):
        waterfall_of({**made, "modeling": modeling})
    for part in ("test", "validation"):
        with pytest.raises(RunError, match=f"'{part}_predictions' .* '{part}'.* kedro run"):
            waterfall_of({**made, part: made[part].iloc[1:].reset_index(drop=True)})


def test_the_waterfall_of_amounts_has_no_threshold_of_one_half(made_amounts: Made) -> None:
    steps = on(waterfall_of(made_amounts), "test")
    assert list(steps.index) == ["lookup", "content alone", "weather", "all examples"]
    assert steps.loc["content alone", "gain_low"] > 0
    by_hand = made_amounts["framing"].costs.at(made_amounts["test"])
    said = made_amounts["test_predictions"]
    saved = by_hand.saving(said["label"].to_numpy(), said["prediction"].to_numpy())
    assert steps["value_per_1000"].iloc[-1] == pytest.approx(1000 * saved.mean())
