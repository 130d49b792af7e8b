"""Features that give the label away and parts that overlap: planted and caught; clean ones pass."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.audited import require_audited
from preflight.contracts import Features
from preflight.contracts.results import Audit as AuditContract
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.pipelines.audit import nodes
from preflight.pipelines.audit.settings import Audit

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def settings(**changed: Any) -> Audit:
    return Audit.model_validate(
        {
            "seed": 1,
            "moments": 2,
            "duplicate_share": 0.001,
            "single_auc": 0.85,
            "pair_auc": 0.95,
            "odds_ratio": 50,
            "pair_rows": 4000,
            "allowed": {},
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
    monkeypatch.setattr("preflight.pipelines.audit.nodes.Features", WithLeak)


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


def target(train: pd.DataFrame, audit: Audit) -> pd.DataFrame:
    return nodes.target_audit(train, train.head(0), train, audit)


def split(parts: Parts, framing: Framing, audit: Audit) -> pd.DataFrame:
    return nodes.split_audit(*parts, parts[2], framing, audit)


def failed(findings: pd.DataFrame) -> list[str]:
    return findings.loc[findings["state"] == "failed", "check"].tolist()


def test_clean_examples_pass_and_keep_the_contract(parts: Parts, framing: Framing) -> None:
    together = nodes.passed(target(parts[0], settings()), split(parts, framing, settings()))
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
    train = parts[0].assign(one=parts[0]["label"].astype(float))
    found = target(train, settings(allowed={"one": "a price that is paid before"}))
    assert failed(found) == []
    allowed = found[found["state"] == "allowed"]
    assert allowed["check"].tolist() == ["allowed: one"]
    assert allowed["evidence"].tolist() == ["a price that is paid before"]


def test_an_allowance_for_no_feature_is_refused(parts: Parts) -> None:
    with pytest.raises(RunError, match=r"audit.allowed names \['won'\]"):
        target(parts[0], settings(allowed={"won": "why"}))


@pytest.mark.parametrize("part", [0, 1, 2])
def test_examples_that_are_not_the_features_that_were_replayed_are_caught(
    parts: Parts, framing: Framing, part: int
) -> None:
    features = pd.concat(parts, ignore_index=True)
    changed = list(parts)
    changed[part] = parts[part].assign(one=parts[part]["one"] + parts[part]["label"])
    findings = [
        *failed(nodes.target_audit(changed[0], changed[1], features, settings(single_auc=1))),
        *failed(nodes.split_audit(*changed, features, framing, settings())),
    ]
    assert findings == [f"features of {['train', 'validation', 'test'][part]}"]


def test_what_is_fitted_has_to_be_what_was_audited(parts: Parts) -> None:
    findings = target(parts[0], settings())
    require_audited(findings, train=parts[0])
    for other in (parts[0].iloc[::-1], parts[0].assign(noise=0), parts[0].head(-1)):
        with pytest.raises(RunError, match="'train' is not the one that the audit has passed"):
            require_audited(findings, train=other)
    with pytest.raises(RunError, match="'test' is not the one"):
        require_audited(findings, test=parts[2])


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
        nodes.passed(one, other)


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


def test_labels_of_0_and_1_stay_and_amounts_are_halved_at_their_median() -> None:
    assert nodes._halved(pd.Series([0, 1, 0, 0], dtype="int8")).tolist() == [0, 1, 0, 0]
    assert nodes._halved(pd.Series([1.5, 9.0, 2.0, 100.0])).tolist() == [0, 1, 0, 1]
    assert nodes._halved(pd.Series([3.2, 700.0, 3.7])[[0, 1]]).tolist() == [0, 1]
