"""Where a model loses: holes that are planted in its predictions are found and named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.diagnosis.contracts import Segments
from preflight.diagnosis.segments import Bound, _describe_bound, _tree, find_segments

Made = dict[str, Any]
READ = [
    "validation",
    "test",
    "validation_predictions",
    "test_predictions",
    "candidate",
    "framing",
    "evaluation",
    "diagnosis",
    "contracts",
]


def segments_of(made: Made) -> tuple[pd.DataFrame, pd.DataFrame]:
    segments, examples = find_segments(*(made[name] for name in READ))
    return Segments.validate(segments, lazy=True), examples


Where = Callable[[pd.DataFrame], pd.Series]


def wrong(made: Made, where: Where) -> Made:
    """The same results, but that the predictions are right everywhere but there."""

    def chance(examples: pd.DataFrame) -> pd.Series:
        right = 0.9 * examples["label"] + 0.05
        return right.mask(where(examples), 1 - right)

    last = made["validation_predictions"].assign(
        probability_candidate=chance(made["validation"]).to_numpy()
    )
    test = made["test_predictions"].assign(probability=chance(made["test"]).to_numpy())
    act = test["probability"] > made["framing"].costs.at(made["test"]).threshold
    predictions = {"validation_predictions": last, "test_predictions": test.assign(act=act)}
    return {**made, **predictions}


def test_segments_hold_every_example_once_and_all_that_is_lost(made: Made) -> None:
    segments, examples = segments_of(made)
    predictions, costs = made["test_predictions"], made["framing"].costs.at(made["test"])
    label, act = predictions["label"].to_numpy(), predictions["act"].to_numpy()
    lost = costs.saving(label, label == 1) - costs.saving(label, act)
    assert segments["rows"].sum() == len(predictions)
    assert segments["share"].sum() == pytest.approx(1)
    assert segments["regret_share"].sum() == pytest.approx(1)
    in_all = (segments["rows"] * segments["regret_per_1000"]).sum() / 1000
    assert in_all == pytest.approx(lost.sum())
    beyond = segments["regret_share"] - segments["share"]
    assert beyond.is_monotonic_decreasing
    assert examples["regret"].iloc[0] == lost.max()
    assert examples.groupby("segment").size().le(3).all()
    assert set(examples["segment"]) <= set(segments["segment"])


def test_a_planted_hole_is_found_named_and_shown(made: Made) -> None:
    hole = wrong(made, lambda parcels: (parcels["place"] == "west") & (parcels["noise"] > 1))
    segments, examples = segments_of(hole)
    worst = segments.iloc[0]
    assert "place west" in worst["segment"]
    assert "noise above 1" in worst["segment"] or "noise above 0.99" in worst["segment"]
    assert worst["regret_share"] > 0.95
    assert worst["regret_per_1000"] > 900
    assert examples["facts"].iloc[0].startswith(("place west", "noise "))
    nothing_wrong, _ = segments_of(wrong(made, lambda parcels: parcels["noise"] > 99))
    assert (nothing_wrong["regret_per_1000"] == 0).all()


def test_a_tree_of_one_leaf_is_everything(made: Made) -> None:
    big = made["diagnosis"].model_copy(update={"segment_share": 0.5})
    segments, _ = segments_of({**made, "diagnosis": big})
    assert len(segments) <= 2  # a leaf has at most half of the examples


@pytest.mark.parametrize(("rows", "least"), [(40, 20), (300, 30), (2000, 40)])
def test_a_segment_has_a_share_of_the_examples_and_never_a_handful(
    made: Made, rows: int, least: int
) -> None:
    rng = np.random.default_rng(0)
    known = pd.DataFrame({"size": rng.random(rows)})
    tree = _tree(known, (known["size"] > 0.995).to_numpy(float), made["diagnosis"])
    assert np.bincount(tree.apply(known.to_numpy("float32"))).max() < rows  # it is split
    leaves = tree.tree_.children_left == -1
    assert tree.tree_.n_node_samples[leaves].min() == least


def test_segments_that_three_digits_do_not_tell_apart_are_two_with_more_digits(
    made: Made,
) -> None:
    def with_years(examples: pd.DataFrame) -> pd.DataFrame:
        year = 2013 + np.arange(len(examples)) % 4
        return examples.assign(noise=year.astype("float32"), signal=0, place="north").astype(
            {"signal": "float32", "place": "category"}
        )

    years = {**made, **{part: with_years(made[part]) for part in ("validation", "test")}}
    segments, examples = segments_of(wrong(years, lambda parcels: parcels["noise"] == 2014))
    assert segments["segment"].tolist()[0] == "noise 2013.5 to 2014.5"
    assert set(segments["segment"]) == {
        "noise 2013.5 to 2014.5", "noise up to 2013.5", "noise above 2014.5",
    }  # fmt: skip
    assert segments["number"].tolist() == [1, 2, 3]
    assert set(zip(examples["number"], examples["segment"], strict=True)) == set(
        zip(segments["number"], segments["segment"], strict=True)
    )


def test_segments_of_values_with_the_same_text_are_two(made: Made) -> None:
    def with_texts(examples: pd.DataFrame) -> pd.DataFrame:
        place = [5.0, "5.0"] * (len(examples) // 2) + [5.0] * (len(examples) % 2)
        return examples.assign(place=pd.Categorical(place), signal=0, noise=0).astype(
            {"signal": "float32", "noise": "float32"}
        )

    texts = {**made, **{part: with_texts(made[part]) for part in ("validation", "test")}}
    segments, examples = segments_of(wrong(texts, lambda parcels: parcels["place"] == "5.0"))
    assert segments["segment"].tolist() == ["place 5.0", "place 5.0"]
    assert segments["regret_share"].tolist() == [1, 0]
    assert examples.groupby("number").size().tolist() == [3, 3]


def test_a_missing_value_is_a_condition(made: Made) -> None:
    def with_gaps(examples: pd.DataFrame) -> pd.DataFrame:
        gone = np.random.default_rng(1).random(len(examples)) < 0.2
        return examples.assign(noise=examples["noise"].mask(gone).astype("float32"))

    gaps = {**made, **{part: with_gaps(made[part]) for part in ("validation", "test")}}
    segments, _ = segments_of(wrong(gaps, lambda parcels: parcels["noise"].isna()))
    assert segments["segment"].iloc[0].startswith("noise missing")
    assert segments["segment"].str.contains("noise known").any()


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Bound(-np.inf, 2.5, False), "size up to 2.5"),
        (Bound(2.5, np.inf, True), "size above 2.5 or missing"),
        (Bound(1, 2, False), "size 1 to 2"),
        (Bound(-np.inf, np.inf, True), "size missing"),
        (Bound(-np.inf, np.inf, False), "size known"),
    ],
)
def test_conditions_are_told_in_words(condition: Bound, said: str) -> None:
    assert _describe_bound("size", condition, {}) == said


def test_categories_are_told_by_name_and_not_all_of_them() -> None:
    codes = {"place": list("zyxabcdefgh")}
    first = Bound(-np.inf, 2.5, False)
    assert _describe_bound("place", first, codes) == "place x, y, z"
    assert _describe_bound("place", Bound(11, np.inf, True), codes) == "place missing"
    assert _describe_bound("place", Bound(2.5, np.inf, True), codes) == (
        "place a, b, c, d, e, f or 2 others or missing"
    )
