"""What more data would buy, on parcels whose truth is known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier

from preflight.diagnosis import learning_curve
from preflight.diagnosis.contracts import LearningCurve, more_labels
from preflight.diagnosis.learning_curve import _more_labels, compute_learning_curve
from preflight.problem.framing import Framing

Made = dict[str, Any]


def seedless(max_iter: int) -> HistGradientBoostingClassifier:
    """A function that builds an estimator, and takes no `random_state`."""
    return HistGradientBoostingClassifier(max_iter=max_iter, random_state=0)


def curve_of(made: Made) -> tuple[pd.DataFrame, dict[str, Any]]:
    names = ["train", "validation", "validation_predictions", "best_params"]
    curve, more = compute_learning_curve(
        *(made[n] for n in names),
        made["framing"],
        made["modeling"],
        made["evaluation"],
        made["diagnosis"],
        made["contracts"],
    )
    assert more_labels.validate(more) is more
    return LearningCurve.validate(curve, lazy=True), more


def test_the_curve_ends_at_the_candidate_and_takes_the_latest_examples(made: Made) -> None:
    curve, _ = curve_of(made)
    train = made["train"]
    assert list(curve["rows"]) == [round(s * len(train)) for s in (0.25, 0.5, 1)]
    assert list(curve["fits"]) == [3, 3, 1]
    assert curve["first"].iloc[0] == train["predict_at"].iloc[-curve["rows"].iloc[0]]
    assert curve["value_per_1000"].iloc[-1] == pytest.approx(
        made["selection"]["values"]["candidate"]
    )


def savings_of(made: Made, sizes: np.ndarray) -> list[np.ndarray]:
    """Savings of one fit: 6 per 1,000 more for twice the examples, up to 2 more or less by day."""
    rng = np.random.default_rng(2)
    day = made["framing"].split.day(made["validation"]["predict_at"]).dt.day.to_numpy()
    by_day = (6 + rng.uniform(-2, 2, 32))[day] / 1000
    by_day += 0.006 - by_day.mean()
    return [(0.05 + by_day * np.log2(size))[None] for size in sizes]


def more_of(sizes: np.ndarray, savings: list[np.ndarray], made: Made) -> dict[str, Any]:
    days = made["evaluation"].bootstrap(made["validation"], made["framing"])
    return _more_labels(sizes, savings, days, made["framing"], made["diagnosis"])


def test_a_slope_by_luck_is_none(made: Made) -> None:
    """Fits that come out differently by 20 say nothing of a slope of 6."""
    sizes = np.array([1000, 2000, 4000])
    once = savings_of(made, sizes)
    assert more_of(sizes, once, made)["per_doubling"]["low"] > 4
    luck = np.array([-0.02, 0.0, 0.02])[:, None]
    thrice = [once[0] + luck, once[1] + luck[::-1], once[2]]
    found = more_of(sizes, thrice, made)["per_doubling"]
    assert found["mean"] == pytest.approx(6)
    assert found["low"] < 0


def test_bounds_that_are_not_known_decide_nothing(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = np.array([100, 700])
    monkeypatch.setattr(
        learning_curve, "_weighted", lambda *_: dict.fromkeys(["mean", "low", "high"], np.nan)
    )
    assert more_of(sizes, savings_of(made, sizes), made)["worth"] == "inconclusive"


def test_equal_savings_have_no_slope(made: Made) -> None:
    sizes = np.array([100, 700, 1900])
    saved = np.random.default_rng(3).uniform(0, 0.1, (1, len(made["validation"])))
    found = more_of(sizes, [saved] * 3, made)["per_doubling"]
    assert found == {"mean": 0, "low": 0, "high": 0}


@pytest.mark.parametrize(("price", "worth"), [(0.0, "yes"), (0.1, "inconclusive"), (10.0, "no")])
def test_more_labels_are_worth_their_slope_and_judged_by_their_price(
    made: Made, framing: Framing, price: float, worth: str
) -> None:
    project = framing.project.model_copy(update={"label_price": price})
    framing = framing.model_copy(update={"project": project})
    sizes = np.array([1000, 2000, 4000])
    more = more_of(sizes, savings_of(made, sizes), {**made, "framing": framing})
    assert more["per_doubling"]["mean"] == pytest.approx(6)
    doublings, decisions = np.log2(7000 / 4000), 10_000 * 6
    assert more["value"]["mean"] == pytest.approx(6 * doublings * decisions / 1000)
    assert more["price"] == 3000 * price
    assert more["worth"] == worth


@pytest.mark.parametrize(("rows", "labels"), [(300, 220), (3_000_000, 2_200_000), (1, 1)])
def test_so_many_labels_more_as_fit_the_size_of_train(made: Made, rows: int, labels: int) -> None:
    sizes = np.array([rows // 4 + 1, rows])
    assert more_of(sizes, savings_of(made, sizes), made)["labels"] == labels


def test_shares_that_come_to_the_same_size_are_one_point_of_the_curve(made: Made) -> None:
    shares = made["diagnosis"].model_copy(update={"train_shares": [0.5, 0.50001]})
    curve, _ = curve_of({**made, "diagnosis": shares})
    assert len(curve) == 2


def test_an_estimator_without_a_seed_is_fitted_once(
    make: Any, modeling: Any, framing: Framing, make_parcels: Any
) -> None:
    spec = {"path": f"{__name__}.seedless", "params": {"max_iter": 9}}
    made = make(
        make_parcels("2013-01-01", "2013-06-01", 3000),
        framing,
        modeling(candidates={"trees": spec}),
    )
    curve, _ = curve_of(made)
    assert list(curve["fits"]) == [1, 1, 1]


def test_one_size_says_nothing_of_more(made: Made) -> None:
    sizes = np.array([100])
    more = more_of(sizes, savings_of(made, sizes), made)
    assert more["per_doubling"] == {"mean": None, "low": None, "high": None}
    assert more["worth"] == "inconclusive"


def test_the_curve_of_amounts_rises_with_the_examples(made_amounts: Made) -> None:
    curve, _ = curve_of(made_amounts)
    assert curve["value_per_1000"].iloc[-1] == pytest.approx(
        made_amounts["selection"]["values"]["candidate"]
    )
