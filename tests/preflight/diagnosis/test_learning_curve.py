"""What more data would buy, on parcels whose truth is known."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.diagnosis.contracts import LearningCurve, more_labels
from preflight.diagnosis.learning_curve import _more_labels, compute_learning_curve
from preflight.problem.framing import Framing

Made = dict[str, Any]


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
    assert curve["first"].iloc[0] == train["predict_at"].iloc[-curve["rows"].iloc[0]]
    assert curve["value_per_1000"].iloc[-1] == pytest.approx(
        made["selection"]["values"]["candidate"]
    )


@pytest.mark.parametrize(("price", "worth"), [(0.0, "yes"), (0.1, "inconclusive"), (10.0, "no")])
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
    assert more["worth"] == "inconclusive"


def test_the_curve_of_amounts_rises_with_the_examples(made_amounts: Made) -> None:
    curve, _ = curve_of(made_amounts)
    assert curve["value_per_1000"].iloc[-1] == pytest.approx(
        made_amounts["selection"]["values"]["candidate"]
    )
