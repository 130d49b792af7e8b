"""What bought the gain and what more data would buy, on parcels whose truth is known."""

from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from preflight.diagnosis.ablation import THRESHOLD_HALF_STEP, compute_ablation
from preflight.diagnosis.contracts import LearningCurve, Waterfall, more_labels
from preflight.diagnosis.label_review import find_label_issues
from preflight.diagnosis.learning_curve import _more_labels, compute_learning_curve
from preflight.errors import RunError
from preflight.problem.framing import Framing

pytestmark = pytest.mark.usefixtures("parcels")
Made = dict[str, Any]


class NeedsWeather(HistGradientBoostingClassifier):
    """A candidate that does not work without the last group of features."""

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        X["noise"].max()
        return super().fit(X, y)


def waterfall_of(made: Made) -> pd.DataFrame:
    steps = compute_ablation(**{name: made[name] for name in made if name != "baselines"})
    return Waterfall.validate(steps, lazy=True)


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


def test_results_of_another_run_are_refused(made: Made) -> None:
    fewer = made["modeling"].candidates["trees"].model_copy(update={"without": ["weather"]})
    modeling = made["modeling"].model_copy(update={"candidates": {"trees": fewer}})
    with pytest.raises(RunError, match="'candidate' was made with other features"):
        waterfall_of({**made, "modeling": modeling})
    for part in ("test", "validation"):
        with pytest.raises(RunError, match=f"'{part}_predictions' are not those for '{part}'"):
            waterfall_of({**made, part: made[part].iloc[1:].reset_index(drop=True)})


def curve_of(made: Made) -> tuple[pd.DataFrame, dict[str, Any]]:
    names = ["train", "validation", "validation_predictions", "best_params"]
    curve, more = compute_learning_curve(
        *(made[n] for n in names),
        made["framing"],
        made["modeling"],
        made["evaluation"],
        made["diagnosis"],
    )
    assert more_labels.validate(more) is more
    return LearningCurve.validate(curve, lazy=True), more


def test_the_curve_ends_at_the_candidate_and_takes_the_latest_examples(made: Made) -> None:
    curve, _ = curve_of(made)
    train = made["train"]
    assert list(curve["rows"]) == [round(s * len(train)) for s in (0.25, 0.5, 1)]
    assert curve["first"].iloc[0] == train["predict_at"].iloc[-curve["rows"].iloc[0]]
    assert curve["value_per_1000"].iloc[-1] == pytest.approx(
        made["selection"]["values"]["candidate"]
    )


@pytest.mark.parametrize(("price", "worth"), [(0.0, "yes"), (0.1, "can't tell"), (10.0, "no")])
def test_more_labels_are_worth_their_slope_and_judged_by_their_price(
    made: Made, framing: Framing, price: float, worth: str
) -> None:
    project = framing.project.model_copy(update={"label_price": price})
    framing = framing.model_copy(update={"project": project})
    sizes = np.array([1000, 2000, 4000])
    slopes = np.array([6.0, *np.linspace(2, 10, 101)])  # money per 1,000, for twice the examples
    found = 50 + slopes * np.log2(sizes)[:, None]
    more = _more_labels(sizes, found, framing, made["diagnosis"])
    assert more["per_doubling"]["mean"] == pytest.approx(6)
    doublings, decisions = np.log2(7000 / 4000), 10_000 * 6
    assert more["value"]["mean"] == pytest.approx(6 * doublings * decisions / 1000)
    assert more["price"] == 3000 * price
    assert more["worth"] == worth


@pytest.mark.parametrize(("rows", "labels"), [(300, 220), (3_000_000, 2_200_000), (1, 1)])
def test_so_many_labels_more_as_fit_the_size_of_train(
    made: Made, framing: Framing, rows: int, labels: int
) -> None:
    sizes, found = np.array([rows // 4 + 1, rows]), np.full((2, 201), 5.0)
    assert _more_labels(sizes, found, framing, made["diagnosis"])["labels"] == labels


def test_shares_that_come_to_the_same_size_are_one_point_of_the_curve(made: Made) -> None:
    shares = made["diagnosis"].model_copy(update={"train_shares": [0.5, 0.50001]})
    curve, _ = curve_of({**made, "diagnosis": shares})
    assert len(curve) == 2


def test_one_size_says_nothing_of_more(made: Made, framing: Framing) -> None:
    more = _more_labels(np.array([100]), np.full((1, 201), 5.0), framing, made["diagnosis"])
    assert more["per_doubling"] == {"mean": None, "low": None, "high": None}
    assert more["worth"] == "can't tell"


def sharp(rows: int, flipped: int) -> pd.DataFrame:
    """Predictions that are nearly sure and right, but for so many labels that were flipped."""
    rng = np.random.default_rng(5)
    truth = rng.random(rows) < 0.3
    chance = np.where(truth, 0.95, 0.05) + rng.uniform(-0.04, 0.04, rows)
    label = truth.copy()
    label[:flipped] = ~label[:flipped]
    moments = pd.Timestamp("2013-03-01", tz="UTC") + pd.to_timedelta(np.arange(rows), unit="h")
    return pd.DataFrame(
        {
            "parcel": np.arange(rows),
            "predict_at": moments,
            "fold": 0,
            "label": label.astype("int8"),
            "probability_candidate": chance,
        }
    )


def doubted(made: Made, predictions: pd.DataFrame, contracts: Any) -> pd.DataFrame:
    return find_label_issues(predictions, made["framing"], made["diagnosis"], contracts=contracts)


def test_flipped_labels_are_found_and_others_are_not(made: Made) -> None:
    found = doubted(made, sharp(2000, flipped=20))
    assert set(found["parcel"]) <= set(range(20))  # the surer half: above the usual certainty
    assert 5 <= len(found) == found["found"].iloc[0] <= 20
    assert list(found["doubt"]) == sorted(found["doubt"], reverse=True)
    assert doubted(made, sharp(2000, flipped=0)).empty


def test_no_more_labels_are_listed_than_can_be_reviewed(made: Made) -> None:
    found = doubted(made, sharp(2000, flipped=300))
    assert len(found) == 50 < found["found"].iloc[0] <= 300
    assert set(found["of"]) == {2000}


def drawn(rows: int, planted: int) -> pd.DataFrame:
    """Predicted amounts that are two off, but for so many labels that were taken down wrongly."""
    rng = np.random.default_rng(6)
    amount = rng.uniform(10, 50, rows)
    label = amount + rng.normal(1, 2, rows).clip(-5, 7)
    label[:planted] += np.where(np.arange(planted) % 2, 40, -40)
    found = sharp(rows, flipped=0).drop(columns="probability_candidate")
    return found.assign(label=label, prediction_candidate=amount)


def test_labels_that_are_far_off_are_found_and_others_are_not(made_amounts: Made) -> None:
    found = doubted(made_amounts, drawn(2000, planted=20))
    assert set(found["parcel"]) == set(range(20))
    assert list(found["doubt"]) == sorted(found["doubt"], reverse=True)
    assert found["doubt"].iloc[0] == pytest.approx(40 / 2, rel=0.25)  # times the usual error
    assert set(found["found"]) == {20}
    assert doubted(made_amounts, drawn(2000, planted=0)).empty


def test_the_waterfall_of_amounts_has_no_threshold_of_one_half(made_amounts: Made) -> None:
    steps = on(waterfall_of(made_amounts), "test")
    assert list(steps.index) == ["lookup", "content alone", "weather", "all examples"]
    assert steps.loc["content alone", "gain_low"] > 0
    by_hand = made_amounts["framing"].costs.at(made_amounts["test"])
    said = made_amounts["test_predictions"]
    saved = by_hand.saving(said["label"].to_numpy(), said["prediction"].to_numpy())
    assert steps["value_per_1000"].iloc[-1] == pytest.approx(1000 * saved.mean())


def test_the_curve_of_amounts_rises_with_the_examples(made_amounts: Made) -> None:
    curve, _ = curve_of(made_amounts)
    assert curve["value_per_1000"].iloc[-1] == pytest.approx(
        made_amounts["selection"]["values"]["candidate"]
    )
