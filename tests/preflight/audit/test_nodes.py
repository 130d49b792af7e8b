"""Features that give the label away and parts that overlap: planted and caught; clean ones pass."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.audit.contracts import AuditFindings as AuditContract
from preflight.audit.contracts import AuditParameters
from preflight.audit.findings import require_no_failures
from preflight.audit.split_checks import check_split
from preflight.audit.target_leakage import check_target_leakage, rarer, sample
from preflight.audit.univariate import margin, needed_for_auc, rank_auc
from preflight.contracts import Features
from preflight.errors import RunError
from preflight.features.fingerprints import require_fingerprints
from preflight.problem.framing import Framing

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


NOTHING: dict[str, Any] = {"one_feature": {}, "one_value": {}, "two_features": {}}


def settings(**changed: Any) -> AuditParameters:
    return AuditParameters.model_validate(
        {
            "seed": 1,
            "moments": 2,
            "duplicate_share": 0.001,
            "single_auc": 0.85,
            "pair_auc": 0.95,
            "odds_ratio": 50,
            "pair_rows": 4000,
            "allowed": NOTHING,
        }
        | changed
    )


class WithLeak:
    """The contract of parcels with two features more."""

    names_: tuple[str, ...] = ("signal", "place", "noise", "one", "other")

    @classmethod
    def names(cls) -> list[str]:
        return list(cls.names_)

    @staticmethod
    def grain() -> list[str]:
        return ["parcel"]


@pytest.fixture(autouse=True)
def contract(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("nodes", "target", "findings"):
        monkeypatch.setattr(f"preflight.pipelines.audit.{module}.Features", WithLeak)


@pytest.fixture
def parts(make_parcels: Callable[..., pd.DataFrame]) -> Parts:
    """January and February, March, April: labels that were open at a boundary are left out."""
    rng = np.random.default_rng(3)
    bounds = ["2013-01-01", "2013-03-01 05:00", "2013-04-01 04:00", "2013-05-01"]
    made = []
    for number, (start, end) in enumerate(pairwise(bounds)):
        rows = 6000 if number == 0 else 1500
        part = make_parcels(start, end, rows, seed=number)
        part["parcel"] += 10_000 * number
        if number < 2:
            part = part[part["label_known_at"] <= pd.Timestamp(end, tz="UTC")]
        made.append(
            part.assign(
                one=rng.normal(size=len(part)), other=rng.normal(size=len(part))
            ).reset_index(drop=True)
        )
    return made[0], made[1], made[2]


def target(train: pd.DataFrame, audit: AuditParameters, contracts: Any) -> pd.DataFrame:
    return check_target_leakage(train, train.head(0), train, audit, contracts=contracts)


def split(parts: Parts, framing: Framing, audit: AuditParameters) -> pd.DataFrame:
    return check_split(*parts, parts[2], framing, audit)


def failed(findings: pd.DataFrame) -> list[str]:
    return findings.loc[findings["state"] == "failed", "check"].tolist()


def test_clean_examples_pass_and_keep_the_contract(parts: Parts, framing: Framing) -> None:
    together = require_no_failures(target(parts[0], settings()), split(parts, framing, settings()))
    AuditContract.validate(together, lazy=True)
    assert set(together["state"]) == {"passed"}
    assert together["check"].tolist() == [
        "features of train", "audited train", "features of validation", "audited validation",
        "one feature", "one value", "two features", "sum or difference",
        "features of test", "audited test",
        "same decision", "labels in time", "parts in order", "same row", "labels known",
    ]  # fmt: skip


def planted(train: pd.DataFrame, **columns: Any) -> list[str]:
    return failed(target(train.assign(**columns), settings()))


def test_the_label_under_another_name_is_caught(parts: Parts) -> None:
    train = parts[0]
    noisy = train["label"] + np.random.default_rng(0).normal(0, 0.3, len(train))
    assert "one feature" in planted(train, one=noisy)


def test_a_shape_that_no_order_shows_is_caught(parts: Parts) -> None:
    train = parts[0]
    rng = np.random.default_rng(0)
    inside = rng.uniform(-1, 1, len(train))
    outside = rng.choice([-1, 1], len(train)) * rng.uniform(1, 2, len(train))
    assert "one feature" in planted(train, one=np.where(train["label"] == 1, inside, outside))


@pytest.mark.parametrize("mark", [np.nan, -1.0])
def test_a_mark_that_only_some_positives_carry_is_caught(parts: Parts, mark: float) -> None:
    train = parts[0]
    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    assert planted(train, one=train["one"].abs().mask(some, mark)) == ["one value"]


def test_a_category_that_only_positives_have_is_caught(parts: Parts) -> None:
    train = parts[0]
    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    kind = pd.Series(np.where(some, "lost", "kept"), train.index).astype("category")
    assert planted(train, one=kind) == ["one value"]


def test_a_label_that_two_features_make_together_is_caught(parts: Parts) -> None:
    train = parts[0]
    coin = np.random.default_rng(0).integers(0, 2, len(train))
    assert planted(train, one=coin, other=coin ^ train["label"]) == ["two features"]


def test_two_large_numbers_whose_difference_is_the_outcome_are_caught(parts: Parts) -> None:
    train = parts[0]
    start = np.random.default_rng(0).uniform(0, 1e6, len(train))
    end = start + np.where(train["label"] == 1, 40, 5)
    assert planted(train, one=start, other=end) == ["sum or difference"]
    assert planted(train, one=start, other=-end) == ["sum or difference"]


def test_what_is_allowed_by_name_passes_and_is_listed_with_its_reason(parts: Parts) -> None:
    price = parts[0]["label"] + np.random.default_rng(0).normal(0, 0.6, len(parts[0]))
    train, why = parts[0].assign(one=price), "a price that is paid before"
    assert failed(target(train, settings())) == ["one feature"]
    found = target(train, settings(allowed=NOTHING | {"one_feature": {"one": why}}))
    assert failed(found) == []
    allowed = found[found["state"] == "allowed"]
    assert allowed["check"].tolist() == ["allowed: one"]
    assert allowed["evidence"].tolist() == [why]


def test_an_allowed_feature_stays_in_the_other_checks(parts: Parts) -> None:
    """Alone it may tell 0.9, but no value of it the label, and no other what is lacking."""
    train, rng = parts[0], np.random.default_rng(0)
    allow = NOTHING | {"one_feature": {"one": "a price that is paid before"}}

    def found(**columns: Any) -> list[str]:
        return failed(target(train.assign(**columns), settings(allowed=allow)))

    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    assert found(one=train["one"].abs().mask(some, -1)) == ["one value"]
    noise = rng.normal(0, 0.5, len(train))
    price = train["label"] + noise
    assert found(one=price) == []
    assert "sum or difference" in found(one=price, other=noise)
    coin = rng.integers(0, 2, len(train))
    assert found(one=coin, other=coin ^ train["label"]) == ["two features"]


def test_a_value_and_a_pair_are_allowed_by_themselves(parts: Parts) -> None:
    train, coin = parts[0], np.random.default_rng(0).integers(0, 2, len(parts[0]))
    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    marked = train.assign(one=train["one"].abs().mask(some, -1))
    found = target(marked, settings(allowed=NOTHING | {"one_value": {"one": "a fee"}}))
    assert (failed(found), found["check"][0]) == ([], "allowed: one value of one")
    pair = train.assign(one=coin, other=coin ^ train["label"])
    for allow in ({"one": {"other": "a fee"}}, {"other": {"one": "a fee"}}):
        found = target(pair, settings(allowed=NOTHING | {"two_features": allow}))
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
def test_an_allowance_for_no_feature_is_refused(parts: Parts, allowed: dict[str, Any]) -> None:
    with pytest.raises(RunError, match=r"audit.allowed names \['won'\]"):
        target(parts[0], settings(allowed=NOTHING | allowed))


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
def test_noise_is_never_stopped_however_few_the_positives(positives: int) -> None:
    audit = settings(single_auc=0.8, pair_auc=0.9)
    for seed in range(3):
        found = target(few(positives, seed), audit)
        assert failed(found) == []
        AuditContract.validate(found, lazy=True)


def test_too_few_positives_to_tell_are_said_with_what_is_needed() -> None:
    found = target(few(13), settings(single_auc=0.8, pair_auc=0.9))
    untested = found[found["state"] == "untested"].set_index("check")["evidence"]
    assert [*untested.index] == ["untested: two features", "untested: sum or difference"]
    needed = needed_for_auc(0.9, 1987)
    expected = f"13 of 2,000 rows of train have label 1: too few to tell; needed: {needed}"
    assert untested.tolist() == [expected, expected]
    enough = target(few(needed), settings(single_auc=0.8, pair_auc=0.9))
    assert set(enough["state"]) == {"passed"}


@pytest.mark.parametrize("positives", [30, 100])
@pytest.mark.parametrize("majority", [0, 1])
def test_planted_leaks_are_stopped_with_few_of_the_rarer_label(
    positives: int, majority: int
) -> None:
    train, rng = few(positives), np.random.default_rng(1)
    rare = train["label"]
    train["label"] = rare ^ majority
    coin, start = rng.integers(0, 2, 2000), rng.normal(0, 10, 2000)
    audit = settings(single_auc=0.8, pair_auc=0.9)

    def found(**columns: Any) -> list[str]:
        return failed(target(train.assign(**columns), audit))

    assert found() == []
    assert "one feature" in found(one=rare ^ (rng.random(2000) < 0.05))
    marked = (rare == 1) & (rare.cumsum() % 3 > 0)
    assert "one value" in found(one=train["one"].mask(marked, -1.0))
    assert found(one=coin, other=coin ^ rare) == ["two features"]
    assert found(one=start, other=rare - start) == ["sum or difference"]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_examples_that_are_not_the_features_that_were_replayed_are_caught(
    parts: Parts, framing: Framing, part: int, contracts: Any
) -> None:
    features = pd.concat(parts, ignore_index=True)
    changed = list(parts)
    changed[part] = parts[part].assign(one=parts[part]["one"] + parts[part]["label"])
    findings = [
        *failed(
            check_target_leakage(
                changed[0], changed[1], features, settings(single_auc=1), contracts=contracts
            )
        ),
        *failed(check_split(*changed, features, framing, settings())),
    ]
    assert findings == [f"features of {['train', 'validation', 'test'][part]}"]


def test_what_is_fitted_has_to_be_what_was_audited(parts: Parts) -> None:
    findings = target(parts[0], settings())
    require_fingerprints(findings, train=parts[0])
    for other in (parts[0].iloc[::-1], parts[0].assign(noise=0), parts[0].head(-1)):
        with pytest.raises(RunError, match="'train' is not the one that the audit has passed"):
            require_fingerprints(findings, train=other)
    with pytest.raises(RunError, match="'test' is not the one"):
        require_fingerprints(findings, test=parts[2])


def test_a_value_that_tells_is_named_with_its_rows(parts: Parts) -> None:
    train = parts[0]
    some = (train["label"] == 1) & (train["parcel"] % 4 == 0)
    found = target(train.assign(one=train["one"].abs().mask(some, -1)), settings())
    (evidence,) = found.loc[found["state"] == "failed", "evidence"]
    assert evidence.startswith(f"one -1 ({some.sum()} rows, 100.0% with label 1): ")


def split_failures(parts: Parts, framing: Framing, **changed: Any) -> list[str]:
    return failed(split(parts, framing, settings(**changed)))


def test_a_decision_in_two_parts_is_caught(parts: Parts, framing: Framing) -> None:
    train, validation, test = parts
    twice = test.assign(parcel=test["parcel"].where(test.index > 0, train["parcel"][5]))
    assert split_failures((train, validation, twice), framing) == ["same decision"]


def test_a_decision_whose_name_is_only_written_otherwise_is_caught(
    parts: Parts, framing: Framing
) -> None:
    train, validation, test = (
        part.assign(parcel="P" + part["parcel"].astype(str)) for part in parts
    )
    assert split_failures((train, validation, test), framing) == []
    validation.loc[3, "parcel"] = " " + train["parcel"][7].lower() + " "
    assert split_failures((train, validation, test), framing) == ["same decision"]


def test_rows_that_are_copies_are_caught(parts: Parts, framing: Framing) -> None:
    train, validation, test = parts
    features = WithLeak.names()
    copied = test.astype({"place": str})
    copied.loc[:9, features] = train.loc[:9, features].astype({"place": str})
    copied.loc[:9, "place"] = copied.loc[:9, "place"].str.upper() + " "
    assert split_failures((train, validation, copied), framing) == ["same row"]
    assert split_failures((train, validation, copied), framing, duplicate_share=0.1) == []


def test_a_group_in_two_parts_is_caught(parts: Parts, framing: Framing) -> None:
    grouped = framing.model_copy(
        update={"split": framing.split.model_copy(update={"groups": ["one"]})}
    )
    assert split_failures(parts, grouped) == []
    train, validation, test = parts
    validation.loc[0, "one"] = train["one"][0]
    assert split_failures((train, validation, test), grouped) == ["same one"]


def test_a_label_that_was_open_at_the_boundary_is_caught(parts: Parts, framing: Framing) -> None:
    train, validation, test = parts
    boundary = pd.Timestamp(framing.split.validation_from)
    train.loc[len(train) - 1, "label_known_at"] = boundary + pd.Timedelta("1us")
    assert split_failures((train, validation, test), framing) == ["labels in time"]


def test_a_label_within_the_embargo_is_caught(parts: Parts, framing: Framing) -> None:
    split = framing.split.model_copy(update={"embargo_hours": 12})
    assert split_failures(parts, framing.model_copy(update={"split": split})) == ["labels in time"]


def test_a_label_that_is_known_later_than_framed_is_caught(parts: Parts, framing: Framing) -> None:
    train, validation, test = parts
    test.loc[0, "label_known_at"] = test.loc[0, "predict_at"] + pd.Timedelta(hours=50)
    assert split_failures((train, validation, test), framing) == ["labels known"]


def test_a_row_on_the_wrong_side_is_caught(parts: Parts, framing: Framing) -> None:
    train, validation, test = parts
    test.loc[0, "predict_at"] = pd.Timestamp(framing.split.test_from) - pd.Timedelta("1us")
    assert split_failures((train, validation, test), framing) == ["parts in order"]


def test_all_that_failed_is_told_at_once() -> None:
    good = {"check": "a", "state": "passed", "measured": 0.0, "limit": 1.0, "evidence": "fine"}
    one, other = (
        pd.DataFrame(
            [good, good | {"check": name, "state": "failed", "evidence": f"{name} is bad"}]
        )
        for name in ("b", "c")
    )
    with pytest.raises(RunError, match=r"(?s)stops the run:\n  - b: b is bad\n  - c: c is bad$"):
        require_no_failures(one, other)


def test_a_failed_finding_is_never_saved() -> None:
    row = {"check": "a", "state": "passed", "measured": 2.0, "limit": 1.0, "evidence": "no"}
    with pytest.raises(Exception, match="nothing measured is above its limit"):
        AuditContract.validate(pd.DataFrame([row]), lazy=True)


def test_the_real_contract_is_what_the_audit_reads() -> None:
    assert {"names", "grain"} <= set(dir(Features))


def test_of_amounts_a_feature_that_tells_high_from_low_is_caught(parts: Parts) -> None:
    train = parts[0].assign(
        label=np.random.default_rng(7).gamma(2, 10, len(parts[0])), one=0.0, other=0.0
    )
    assert failed(target(train, settings())) == []
    told = train.assign(one=train["label"] + np.random.default_rng(8).normal(0, 2, len(train)))
    found = target(told, settings())
    assert "one feature" in failed(found)
    (value,) = found.loc[found["check"] == "one value", "evidence"].head(1)
    assert "% with a label above the median)" in value


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


def test_text_that_reads_missing_is_not_a_missing_value(parts: Parts, framing: Framing) -> None:
    train, validation, test = (part.astype({"place": object}) for part in parts)
    features = [*WithLeak.names()]
    for number in range(10):
        validation.loc[number, features] = train.loc[number, features]
        train.loc[number, "place"], validation.loc[number, "place"] = "missing", None
    assert split_failures((train, validation, test), framing) == []


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
