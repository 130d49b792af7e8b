"""A refit of the champion's recipe: fitted by the calendar, tried, and promoted without a gate."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.deployment import champion, clear_refit, fit_challenger, promote_refit, try_refit
from preflight.deployment.contracts import Retraining, clearance, promotion, refit_trial
from preflight.errors import RunError
from preflight.evaluation.contracts import Evaluation
from preflight.modeling.estimators import Estimator
from preflight.modeling.model import Bundle, predict, same_recipe
from preflight.modeling.training import make_bundle
from preflight.problem.framing import Framing

MOMENT = "2013-05-06T04:00:00Z"
EVALUATION = Evaluation(
    replicates=200,
    seed=1,
    calibration_bins=5,
    thresholds=10,
    importance_rows=100,
    importance_shuffles=2,
    reference_rows=20,
)
TREES = Estimator(
    path="sklearn.ensemble.HistGradientBoostingClassifier",
    params={"max_iter": 20, "categorical_features": "from_dtype", "random_state": 1},
    exclude_groups=["weather"],
)


class Refits:
    """Retraining of parcels, of which the champion was fitted on those until March."""

    def __init__(self, framing: Framing, parcels: Any, rows: pd.DataFrame) -> None:
        label = SimpleNamespace(dtype=SimpleNamespace(type=np.dtype("int8")))
        schema = SimpleNamespace(columns={"label": label})
        self.contracts: Any = {
            "features": parcels,
            "train": SimpleNamespace(to_schema=lambda: schema),
        }
        self.framing, self.rows = framing, rows
        self.features = rows.drop(columns=["label", "label_known_at", "chance"])
        self.labels = rows[["parcel", "label", "label_known_at"]].astype({"label": "float64"})
        self.champion = self.fitted("2013-03-01", slope=1.1, intercept=0.1)

    def fitted(self, until: str, spec: Estimator = TREES, **calibration: float) -> Bundle:
        known = self.rows[self.rows["label_known_at"] <= pd.Timestamp(until, tz="UTC")]
        parcels = self.contracts["features"]
        bundle = make_bundle(spec, known, self.framing, parcels, **calibration)
        bundle["provenance"]["version"] = "v1"
        return bundle

    def given(self, moment: str = MOMENT, **changed: Any) -> dict[str, Any]:
        retraining = Retraining.model_validate({"moment": moment, "weeks": changed.pop("weeks", 4)})
        usual = {
            "features": self.features,
            "labels": self.labels,
            "champion": self.champion,
            "framing": self.framing,
            "contracts": self.contracts,
        }
        return usual | {"retraining": retraining} | changed

    def fit(self, **changed: Any) -> Bundle:
        return fit_challenger(**self.given(**changed))

    def attempt(self, **changed: Any) -> dict[str, Any]:
        found = try_refit(**self.given(**changed), evaluation=EVALUATION)
        assert refit_trial.validate(found) is found
        return found


@pytest.fixture(scope="module")
def refits(framing: Framing, parcels: Any, make_parcels: Callable[..., pd.DataFrame]) -> Refits:
    return Refits(framing, parcels, make_parcels("2013-01-07", "2013-06-01", 6_000))


def test_a_challenger_is_the_same_recipe_on_all_labels_that_are_known(refits: Refits) -> None:
    found = refits.fit()
    known = refits.rows["label_known_at"] <= pd.Timestamp(MOMENT)
    assert found["provenance"]["examples"] == known.sum()
    assert found["provenance"]["known_until"] == "2013-05-06T04:00:00+00:00"
    assert found["provenance"]["refit_of"] == "v1"
    assert found["features"] == ["signal", "place"]  # and not the group that was left out
    assert (found["slope"], found["intercept"]) == (1.1, 0.1)
    assert same_recipe(found, refits.champion)
    again = refits.fitted("2013-05-06T04:00", slope=1.1, intercept=0.1)
    assert predict(found, refits.rows).tolist() == predict(again, refits.rows).tolist()


def test_a_label_that_comes_later_changes_nothing(refits: Refits) -> None:
    later = refits.labels["label_known_at"] > pd.Timestamp(MOMENT)
    changed = refits.labels.assign(
        label=refits.labels["label"].mask(later, 1 - refits.labels["label"])
    )
    found, other = refits.fit(), refits.fit(labels=changed)
    assert predict(found, refits.rows).tolist() == predict(other, refits.rows).tolist()
    assert refits.attempt() == refits.attempt(labels=changed)


def test_the_trial_compares_on_weeks_that_neither_was_fitted_on(refits: Refits) -> None:
    found = refits.attempt()
    since = pd.Timestamp(MOMENT) - pd.Timedelta(weeks=4)
    known = refits.rows["label_known_at"] <= pd.Timestamp(MOMENT)
    judged = refits.rows[known & (refits.rows["predict_at"] > since)]
    assert found["decisions"] == len(judged)
    earlier = refits.fitted(f"{since:%Y-%m-%dT%H:%M}", slope=1.1, intercept=0.1)
    costs = refits.framing.costs.at(judged)
    saved, before = (
        costs.saving(judged["label"] == 1, costs.decide(predict(one, judged)))
        for one in (earlier, refits.champion)
    )
    assert found["gain_per_1000"]["mean"] == pytest.approx(1000 * (saved - before).mean())
    assert found["gain_per_1000"]["low"] < 0 < found["gain_per_1000"]["high"]
    assert found["implausible"] == []


def test_a_champion_that_knows_more_is_significantly_better(refits: Refits) -> None:
    wrong = refits.labels.assign(
        label=refits.labels["label"].sample(frac=1, random_state=0).to_numpy()
    )
    since = pd.Timestamp(MOMENT) - pd.Timedelta(weeks=4)
    early = refits.features["predict_at"] <= since  # labels that were fitted on are noise
    found = refits.attempt(labels=refits.labels.where(~early, wrong))
    assert found["gain_per_1000"]["high"] < 0
    assert found["implausible"][0].startswith("roc_auc is 0.")


def test_what_cannot_be_refitted_is_refused_with_a_remedy(
    refits: Refits, framing_as_written: dict[str, Any]
) -> None:
    with pytest.raises(RunError, match="no champion"):
        refits.fit(champion=None)
    framing_as_written["costs"]["fn"] = 7
    other_costs = Framing.model_validate(framing_as_written)
    for retrain in (refits.fit, refits.attempt):
        with pytest.raises(RunError, match=r"has changed: framing\.costs\. A changed recipe needs"):
            retrain(framing=other_costs)
    renamed = refits.champion | {"features": ["signal", "weight"]}
    with pytest.raises(RunError, match="has changed: the features"):
        refits.fit(champion=renamed)
    framing_as_written["costs"]["fn"] = 6
    framing_as_written["decision"]["changes_label"] = True
    with pytest.raises(RunError, match="can't be fitted on decisions that were acted on"):
        refits.fit(framing=Framing.model_validate(framing_as_written))
    with pytest.raises(RunError, match=r"Retrain later, or set fewer retraining\.weeks"):
        refits.attempt(weeks=12)
    with pytest.raises(RunError, match="No label of a prediction since 2014"):
        refits.attempt(moment="2014-06-01T00:00:00Z")
    with pytest.raises(RunError, match="'features' and 'labels' have different rows"):
        refits.fit(labels=refits.labels.iloc[1:])


class Promotion:
    """A project with a champion, and what clears its refit."""

    def __init__(self, project: Path, refits: Refits, monkeypatch: pytest.MonkeyPatch) -> None:
        self.pointer, self._refits = project / champion.POINTER, refits
        file = {"version": "v1", "path": "data/06_models/candidate.skops", "sha256": "a" * 64}
        record = champion.champion_record(file, "run-of-v1")
        champion.promote(self.pointer, record)
        monkeypatch.setattr(
            "preflight.deployment.refit.read_manifest",
            lambda _, run: {"code": {"sha256": f"code of {run}"}},
        )
        self.project = project
        refit = file | {
            "version": "v2",
            "path": "data/06_models/challenger.skops",
            "sha256": "b" * 64,
        }
        self.provenance = {
            "run": "v3", "code": {"sha256": "code of run-of-v1"}, "files": {"challenger": refit},
        }  # fmt: skip
        self.challenger, self.trial = refits.fit(), refits.attempt()

    def clear(self, **changed: Any) -> dict[str, Any]:
        usual = {
            "provenance": self.provenance,
            "challenger": self.challenger,
            "champion": self._refits.champion,
            "trial": self.trial,
            "limits_now": [],
            "what_if": [],
            "framing": self._refits.framing,
        }
        found = clear_refit(self.project, **usual | changed)
        assert clearance.validate(found) is found
        return found


@pytest.fixture
def promoted(tmp_path: Path, refits: Refits, monkeypatch: pytest.MonkeyPatch) -> Promotion:
    return Promotion(tmp_path, refits, monkeypatch)


def test_a_refit_is_promoted_and_keeps_the_run_that_evaluated_its_recipe(
    promoted: Promotion,
) -> None:
    cleared = promoted.clear()
    assert all(one["ok"] for one in cleared["checks"])
    record = promote_refit(promoted.project, promoted.provenance, cleared)
    assert promotion.validate(record) is record
    champion.promote(promoted.pointer, champion.ChampionRecord.model_validate(record))
    now = champion.current(promoted.pointer)
    assert now is not None
    assert (now.version, now.run, now.recipe_run) == ("v2", "v3", "run-of-v1")
    # the refit of a refit is still of that recipe
    again = promote_refit(promoted.project, promoted.provenance, cleared)
    assert again["recipe_run"] == "run-of-v1"


LIMIT = {"name": "model_mb", "limit": 1.0, "measured": 2.0, "ok": False, "load": None}


@pytest.mark.parametrize(
    ("check", "words", "change"),
    [
        ("what-if", "costs.fn is 7", {"what_if": ["framing.costs.fn is 7"]}),
        ("limits", "model mb 2 (limit 1)", {"limits_now": [LIMIT]}),
        ("code", "A changed recipe needs the whole gate", "code"),
        ("recipe", "differs from the champion's", "recipe"),
        ("champion", "the champion is v9 now", "champion"),
        ("trial", "significantly worse than the champion", "worse"),
        ("trial", "is older than the refit", "older"),
        ("metrics", "roc_auc is 0.5", "implausible"),
    ],
)
def test_each_condition_stops_a_refit(
    promoted: Promotion, refits: Refits, check: str, words: str, change: Any
) -> None:
    origin = refits.champion["provenance"]
    changes: dict[str, Any] = {
        "code": {"provenance": promoted.provenance | {"code": {"sha256": "other"}}},
        "recipe": {
            "challenger": promoted.challenger
            | {"provenance": promoted.challenger["provenance"] | {"params": {"max_iter": 9}}}
        },
        "champion": {"champion": refits.champion | {"provenance": origin | {"version": "v9"}}},
        "worse": {
            "trial": promoted.trial | {"gain_per_1000": {"mean": -9.0, "low": -12.0, "high": -1.0}}
        },
        "older": {"trial": promoted.trial | {"until": "2013-05-05T04:00:00Z"}},
        "implausible": {
            "trial": promoted.trial | {"implausible": ["roc_auc is 0.5; plausible is"]}
        },
    }
    given = change if isinstance(change, dict) else changes[change]
    with pytest.raises(RunError) as refused:
        promoted.clear(**given)
    lines = str(refused.value).splitlines()
    assert len(lines) == 2  # this one alone
    assert lines[1].startswith(f"  - {check}: ")
    assert words in lines[1]


def test_contracts_that_were_off_stop_a_refit(
    promoted: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_DATASET_VALIDATION", "off")
    with pytest.raises(RunError, match=r"  - contracts: contracts were off"):
        promoted.clear()
