"""Estimators are built as declared, from a path that leads to them."""

from sklearn.dummy import DummyClassifier

from preflight.modeling.estimators import Candidate, load
from preflight.modeling.parameters import Modeling


def test_an_estimator_is_built_anew_from_its_parameters() -> None:
    candidate = Candidate(path="sklearn.dummy.DummyClassifier", params={"strategy": "prior"})
    assert candidate.build().get_params()["strategy"] == "prior"
    changed = candidate.tuned({"strategy": "uniform", "random_state": 3}).build()
    assert changed.get_params() == {"strategy": "uniform", "random_state": 3, "constant": None}
    assert candidate.build().get_params()["strategy"] == "prior"
    assert candidate.build() is not candidate.build()


def test_a_path_leads_to_a_class_or_a_function() -> None:
    assert load("preflight.modeling.estimators.load") is load
    assert load("preflight.modeling.parameters.Modeling") is Modeling


def seedless(strategy: str) -> DummyClassifier:
    return DummyClassifier(strategy=strategy)


def test_a_seed_goes_to_what_takes_one() -> None:
    candidate = Candidate(path="sklearn.dummy.DummyClassifier", params={"strategy": "uniform"})
    assert candidate.seeded(7).build().get_params()["random_state"] == 7
    assert candidate.params == {"strategy": "uniform"}
    declared = candidate.tuned({"random_state": 1})
    assert declared.seeded(7).params["random_state"] == 7
    without = Candidate(path=f"{__name__}.seedless", params={"strategy": "prior"})
    assert without.seeded(7) == without
    assert without.seeded(7).build().strategy == "prior"
