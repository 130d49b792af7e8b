"""Features that give the label away: planted and caught."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.audit.contracts import AuditFindings, AuditParameters
from preflight.audit.target_leakage import (
    Examples,
    Statistic,
    _report,
    check_target_leakage,
    rarer,
    sample,
)
from preflight.audit.univariate import margin, needed_for_auc, rank_auc
from preflight.errors import RunError

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
NOTHING: dict[str, Any] = {"one_feature": {}, "one_value": {}, "two_features": {}}
Check = Callable[..., pd.DataFrame]
Failures = Callable[..., list[str]]
Failed = Callable[[pd.DataFrame], list[str]]


@pytest.fixture
def target(make_audit: Callable[..., AuditParameters], contracts: Any) -> Check:
    """What the audit finds in these rows of train, with some of its parameters changed."""

    def check(train: pd.DataFrame, **changed: Any) -> pd.DataFrame:
        return check_target_leakage(train, train.head(0), train, make_audit(**changed), contracts)

    return check


@pytest.fixture
def planted(target: Check, failed: Failed) -> Failures:
    """The checks that fail with these columns instead."""
    return lambda train, **columns: failed(target(train.assign(**columns)))


def test_the_label_under_another_name_is_caught(planted: Failures, parts: Parts) -> None:
    train = parts[0]
    noisy = train["label"] + np.random.default_rng(0).normal(0, 0.3, len(train))
    found = planted(train, one=noisy)
    assert "one feature" in found
    assert "two features" not in found  # it is reported once
    assert "sum or difference" not in found


def test_all_features_that_tell_are_listed_each_with_what_to_do(
    target: Check, parts: Parts
) -> None:
    train = parts[0]
    one, other = np.random.default_rng(0).normal(0, 0.3, (2, len(train)))
    found = target(train.assign(one=train["label"] + one, other=train["label"] + other))
    told = found.loc[(found["state"] == "failed") & (found["check"] == "one feature"), "evidence"]
    assert sorted(text.split(": ")[0] for text in told) == ["one", "other"]
    assert told.str.contains("audit.allowed.one_feature", regex=False).all()


def test_a_shape_that_no_order_shows_is_caught(planted: Failures, parts: Parts) -> None:
    train = parts[0]
    rng = np.random.default_rng(0)
    inside = rng.uniform(-1, 1, len(train))
    outside = rng.choice([-1, 1], len(train)) * rng.uniform(1, 2, len(train))
    assert "one feature" in planted(train, one=np.where(train["label"] == 1, inside, outside))


@pytest.mark.parametrize("mark", [np.nan, -1.0])
def test_a_mark_that_only_some_positives_carry_is_caught(
    planted: Failures, parts: Parts, mark: float
) -> None:
    train = parts[0]
    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    assert planted(train, one=train["one"].abs().mask(some, mark)) == ["one value"]


def test_a_category_that_only_positives_have_is_caught(planted: Failures, parts: Parts) -> None:
    train = parts[0]
    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    kind = pd.Series(np.where(some, "lost", "kept"), train.index).astype("category")
    assert planted(train, one=kind) == ["one value"]


def test_a_label_that_two_features_make_together_is_caught(planted: Failures, parts: Parts) -> None:
    train = parts[0]
    coin = np.random.default_rng(0).integers(0, 2, len(train))
    assert planted(train, one=coin, other=coin ^ train["label"]) == ["two features"]


def test_two_large_numbers_whose_difference_is_the_outcome_are_caught(
    planted: Failures, parts: Parts
) -> None:
    train = parts[0]
    start = np.random.default_rng(0).uniform(0, 1e6, len(train))
    end = start + np.where(train["label"] == 1, 40, 5)
    assert planted(train, one=start, other=end) == ["sum or difference"]
    assert planted(train, one=start, other=-end) == ["sum or difference"]


def test_what_is_allowed_by_name_passes_and_is_listed_with_its_reason(
    target: Check, parts: Parts, failed: Failed
) -> None:
    price = parts[0]["label"] + np.random.default_rng(0).normal(0, 0.6, len(parts[0]))
    train, why = parts[0].assign(one=price), "a price that is paid before"
    assert failed(target(train)) == ["one feature"]
    found = target(train, allowed=NOTHING | {"one_feature": {"one": why}})
    assert failed(found) == []
    allowed = found[found["state"] == "allowed"]
    assert allowed["check"].tolist() == ["allowed: one"]
    assert allowed["evidence"].tolist() == [why]


def test_an_allowed_feature_stays_in_the_other_checks(
    target: Check, parts: Parts, failed: Failed
) -> None:
    """Alone it may tell 0.9, but no value of it the label, and no other what is lacking."""
    train, rng = parts[0], np.random.default_rng(0)
    allow = NOTHING | {"one_feature": {"one": "a price that is paid before"}}

    def found(**columns: Any) -> list[str]:
        return failed(target(train.assign(**columns), allowed=allow))

    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    assert found(one=train["one"].abs().mask(some, -1)) == ["one value"]
    noise = rng.normal(0, 0.5, len(train))
    price = train["label"] + noise
    assert found(one=price) == []
    assert "sum or difference" in found(one=price, other=noise)
    coin = rng.integers(0, 2, len(train))
    assert found(one=coin, other=coin ^ train["label"]) == ["two features"]


def test_a_value_and_a_pair_are_allowed_by_themselves(
    target: Check, parts: Parts, failed: Failed
) -> None:
    train, coin = parts[0], np.random.default_rng(0).integers(0, 2, len(parts[0]))
    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    marked = train.assign(one=train["one"].abs().mask(some, -1))
    found = target(marked, allowed=NOTHING | {"one_value": {"one": "a fee"}})
    assert (failed(found), found["check"][0]) == ([], "allowed: one value of one")
    pair = train.assign(one=coin, other=coin ^ train["label"])
    for allow in ({"one": {"other": "a fee"}}, {"other": {"one": "a fee"}}):
        found = target(pair, allowed=NOTHING | {"two_features": allow})
        assert failed(found) == []
        assert found["check"][0].startswith("allowed: o")


@pytest.mark.parametrize(
    "allowed",
    [
        {"one_feature": {"won": "why"}},
        {"one_value": {"won": "why"}},
        {"two_features": {"won": {"one": "why"}}},
        {"two_features": {"one": {"won": "why"}}},
    ],
)
def test_an_allowance_for_no_feature_is_refused(
    target: Check, parts: Parts, allowed: dict[str, Any]
) -> None:
    with pytest.raises(RunError, match=r"audit.allowed names \['won'\]"):
        target(parts[0], allowed=NOTHING | allowed)


def few(positives: int, seed: int = 0) -> pd.DataFrame:
    """2,000 rows of noise with few positives."""
    rng = np.random.default_rng(100 * positives + seed)
    label = np.zeros(2000, dtype="int8")
    label[rng.choice(2000, positives, replace=False)] = 1
    return pd.DataFrame(
        {
            "signal": rng.normal(size=2000),
            "place": pd.Categorical(rng.choice([f"p{i}" for i in range(30)], 2000)),
            "noise": rng.integers(0, 40, 2000).astype(float),
            "one": rng.normal(size=2000),
            "other": pd.Series(rng.normal(size=2000)).mask(rng.random(2000) < 0.1),
            "label": label,
            "parcel": np.arange(2000),
            "predict_at": pd.Timestamp("2013-01-01", tz="UTC"),
        }
    )


@pytest.mark.parametrize("positives", [0, 1, 2, 5, 13, 15, 30, 100])
def test_noise_is_never_stopped_however_few_the_positives(
    target: Check, positives: int, failed: Failed
) -> None:
    audit = {"single_auc": 0.8, "pair_auc": 0.9}
    for seed in range(3):
        found = target(few(positives, seed), **audit)
        assert failed(found) == []
        AuditFindings.validate(found, lazy=True)


def test_too_few_positives_to_tell_are_said_with_what_is_needed(target: Check) -> None:
    found = target(few(13), single_auc=0.8, pair_auc=0.9)
    untested = found[found["state"] == "untested"].set_index("check")["evidence"]
    assert [*untested.index] == ["untested: two features", "untested: sum or difference"]
    needed = needed_for_auc(0.9, 1987)
    for evidence in untested:
        for word in ("13 of 2,000 rows", "label 1", f"needed: {needed}"):
            assert word in evidence
    enough = target(few(needed), single_auc=0.8, pair_auc=0.9)
    assert set(enough["state"]) == {"passed"}


@pytest.mark.parametrize("positives", [30, 100])
@pytest.mark.parametrize("majority", [0, 1])
def test_planted_leaks_are_stopped_with_few_of_the_rarer_label(
    target: Check, positives: int, majority: int, failed: Failed
) -> None:
    train, rng = few(positives), np.random.default_rng(1)
    rare = train["label"]
    train["label"] = rare ^ majority
    coin, start = rng.integers(0, 2, 2000), rng.normal(0, 10, 2000)
    audit = {"single_auc": 0.8, "pair_auc": 0.9}

    def found(**columns: Any) -> list[str]:
        return failed(target(train.assign(**columns), **audit))

    assert found() == []
    assert "one feature" in found(one=rare ^ (rng.random(2000) < 0.05))
    marked = (rare == 1) & (rare.cumsum() % 3 > 0)
    assert "one value" in found(one=train["one"].mask(marked, -1.0))
    assert found(one=coin, other=coin ^ rare) == ["two features"]
    assert found(one=start, other=rare - start) == ["sum or difference"]


def test_a_value_that_tells_is_named_with_its_rows(target: Check, parts: Parts) -> None:
    train = parts[0]
    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    found = target(train.assign(one=train["one"].abs().mask(some, -1)))
    (evidence,) = found.loc[found["state"] == "failed", "evidence"]
    for word in ("one -1 ", f"{some.sum()} rows", "100.0% with label 1", "audit.allowed.one_value"):
        assert word in evidence


def test_of_amounts_a_feature_that_tells_high_from_low_is_caught(
    target: Check, parts: Parts, failed: Failed
) -> None:
    train = parts[0].assign(
        label=np.random.default_rng(7).gamma(2, 10, len(parts[0])), one=0.0, other=0.0
    )
    assert failed(target(train)) == []
    told = train.assign(one=train["label"] + np.random.default_rng(8).normal(0, 2, len(train)))
    found = target(told)
    assert "one feature" in failed(found)
    (value,) = found.loc[found["check"] == "one value", "evidence"].head(1)
    assert "above the median" in value


@pytest.mark.parametrize(
    ("label", "ones", "meant"),
    [
        (pd.Series([0, 1, 0, 0], dtype="int8"), [0, 1, 0, 0], "label 1"),
        (pd.Series([1, 1, 0, 1]), [0, 0, 1, 0], "label 0"),
        (pd.Series([1.5, 9.0, 2.0, 100.0]), [0, 1, 0, 1], "a label above the median"),
        (pd.Series([1.5, 9.0, 1.5]), [0, 1, 0], "a label above the median"),
    ],
)
def test_the_rarer_label_is_counted_and_amounts_are_halved_at_their_median(
    label: pd.Series, ones: list[int], meant: str
) -> None:
    found, words = rarer(label)
    assert (found.tolist(), words) == (ones, meant)


@pytest.mark.parametrize(("rare", "rows", "ones"), [(3000, 1000, 500), (100, 1000, 100)])
def test_a_sample_has_the_rarer_label_first_of_all_and_no_order(
    rare: int, rows: int, ones: int
) -> None:
    label = np.repeat([1, 0], [rare, 7000]).astype(np.int8)
    chosen = sample(label, rows, seed=1)
    assert (len(set(chosen.tolist())), int(label[chosen].sum())) == (rows, ones)
    ranks = np.arange(rows)[:, None] * 1.0
    assert rank_auc(ranks, label[chosen])[0] < 0.5 + margin(0.5, ones, rows - ones)
    assert sorted(sample(label, 10**6, seed=1).tolist()) == [*range(rare + 7000)]


def test_a_statistic_that_is_not_defined_is_reported_first(parts: Parts) -> None:
    train = parts[0]
    rows = Examples(train, *rarer(train["label"]))
    clean = [Statistic("one", 0.7, 0.8), Statistic("other", 0.6, 0.8)]
    (passed,) = _report("one feature", clean, rows, 1, "one_feature")
    assert (passed["state"], passed["evidence"]) == ("passed", "one")
    undefined = Statistic("noise", np.nan, 0.8)
    first, second = _report(
        "one feature", [*clean, undefined, Statistic("leak", 0.9, 0.8)], rows, 1, "one_feature"
    )
    assert (first["state"], second["state"]) == ("failed", "failed")
    assert first["evidence"].startswith("noise. Is it the label")
    assert second["evidence"].startswith("leak. ")
