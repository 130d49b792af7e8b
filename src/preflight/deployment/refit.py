"""Refits by the calendar: the champion's recipe on later labels, its trial, and its promotion."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import DataCatalog

from preflight.contracts.catalog import Contracts
from preflight.deployment import champion as pointer
from preflight.deployment.contracts import RefitTrial, Retraining
from preflight.deployment.gate import Check, Document, check
from preflight.errors import RunError
from preflight.evaluation.conditions import contracts_on
from preflight.evaluation.contracts import Evaluation
from preflight.features.split import join_labels, narrow_labels
from preflight.modeling.estimators import Estimator
from preflight.modeling.model import (
    RECIPE,
    RECIPE_FRAMING,
    Bundle,
    Floats,
    predict,
    same_recipe,
)
from preflight.modeling.parameters import Modeling
from preflight.modeling.resources import violations
from preflight.modeling.training import fit_baselines, make_bundle
from preflight.problem.framing import Framing
from preflight.runs.manifest import read_manifest
from preflight.stats.bootstrap import Interval
from preflight.stats.metrics import metrics_with_intervals

GATE = "A changed recipe needs the whole gate: kedro run, then kedro run --pipelines deployment"


def fit_challenger(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    champion: Bundle | None,
    framing: Framing,
    retraining: Retraining,
    contracts: Contracts,
) -> Bundle:
    """Return the champion's recipe fitted on all labels that are known at the moment.

    Recipe: features, estimator, parameters, calibration. Its provenance has `known_until`, and
    `refit_of`, the champion's version.

    Raises:
        RunError: there is no champion, its recipe has changed, or acting changes the label.
    """
    bundle = _require_recipe(champion, framing, contracts)
    examples = labelled_examples(features, labels, contracts)
    return _refit(bundle, examples, retraining.at, framing, contracts)


def try_refit(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    champion: Bundle | None,
    framing: Framing,
    retraining: Retraining,
    evaluation: Evaluation,
    contracts: Contracts,
) -> Document:
    """Return the trial of the recipe on the last weeks of known labels, as a `RefitTrial`.

    The recipe is fitted on what was known before these weeks. It has passed if the interval of its
    gain over the champion reaches 0, and if its metrics are plausible. Money is not among these,
    because that of a few weeks follows the season.

    Raises:
        RunError: as `fit_challenger`; or the champion was fitted on these weeks, or they have no
            labels.
    """
    bundle = _require_recipe(champion, framing, contracts)
    since = retraining.at - pd.Timedelta(weeks=retraining.weeks)
    seen = pd.Timestamp(bundle["provenance"]["last"])
    if seen > since:
        raise RunError(
            f"The champion was fitted on predictions until {seen}, so it can't be tried on those "
            f"since {since}. Retrain later, or set fewer retraining.weeks."
        )
    examples = labelled_examples(features, labels, contracts)
    known = examples[examples["label_known_at"] <= retraining.at]
    rows = known[known["predict_at"] > since].reset_index(drop=True)
    if rows.empty:
        raise RunError(f"No label of a prediction since {since} is known. Compute 'labels' again.")
    earlier = _refit(bundle, examples, since, framing, contracts)
    predicted = predict(earlier, rows), predict(bundle, rows)
    gain, implausible = judge_trial(rows, *predicted, framing, evaluation)
    return RefitTrial(
        champion=bundle["provenance"]["version"],
        since=since.to_pydatetime(),
        until=retraining.at.to_pydatetime(),
        decisions=len(rows),
        gain_per_1000=gain,
        implausible=implausible,
    ).model_dump(mode="json")


def judge_trial(
    rows: pd.DataFrame,
    refitted: Floats,
    in_use: Floats,
    framing: Framing,
    evaluation: Evaluation,
) -> tuple[Interval, list[str]]:
    """Return the gain of refitted predictions over those in use, and metrics that are implausible.

    rows: with their labels. The gain is per 1,000 decisions. Money is not among the metrics.
    """
    costs, label = framing.costs.at(rows), rows["label"].to_numpy()
    decided, now = costs.decide(refitted), costs.decide(in_use)
    bootstrap = evaluation.bootstrap(rows, framing)
    gain = bootstrap.per_1000(costs.saving(label, decided) - costs.saving(label, now))
    metrics = metrics_with_intervals(label, refitted, decided, bootstrap, costs)
    faults = framing.guardrails.implausible(metrics, framing.costs.unit)
    return gain, [fault for fault in faults if not fault.startswith("value_per_1000")]


def refit_baselines(
    features: pd.DataFrame,
    labels: pd.DataFrame,
    framing: Framing,
    modeling: Modeling,
    retraining: Retraining,
    contracts: Contracts,
) -> dict[str, Bundle]:
    """Return each baseline fitted on all labels that are known at the moment.

    Raises:
        RunError: acting changes the label.
    """
    require_untouched_labels(framing)
    examples = labelled_examples(features, labels, contracts)
    known = examples[examples["label_known_at"] <= retraining.at]
    baselines = fit_baselines(known, framing, modeling, contracts)
    for bundle in baselines.values():
        bundle["provenance"]["known_until"] = retraining.at.isoformat()
    return baselines


def require_untouched_labels(framing: Framing) -> None:
    """Raise RunError if acting changes the label."""
    if framing.decision.changes_label:
        raise RunError(
            "Acting changes the label (framing.decision.changes_label), so a model can't be fitted "
            "on decisions that were acted on. Make examples of untouched decisions alone, and use "
            "the whole gate: kedro run, then kedro run --pipelines deployment"
        )


def _require_recipe(champion: Bundle | None, framing: Framing, contracts: Contracts) -> Bundle:
    """Return the champion, if its recipe can be fitted again."""
    if champion is None:
        raise RunError("There is no champion: kedro run --pipelines deployment")
    require_untouched_labels(framing)
    then, now = champion["provenance"]["framing"], framing.model_dump(mode="json")
    changed = [f"framing.{name}" for name in RECIPE_FRAMING if then.get(name) != now[name]]
    names = _recipe(champion, contracts).features(contracts["features"].groups())
    changed += ["the features"] * (names != champion["features"])
    if changed:
        raise RunError(f"The recipe of the champion has changed: {', '.join(changed)}. {GATE}")
    return champion


def _recipe(champion: Bundle, contracts: Contracts) -> Estimator:
    """Return the estimator that the champion was fitted from."""
    groups, used = contracts["features"].groups(), {*champion["features"]}
    excluded = [group for group, names in groups.items() if not used & {*names}]
    given = {name: champion["provenance"][name] for name in RECIPE}
    return Estimator(**given, exclude_groups=excluded)


def labelled_examples(
    features: pd.DataFrame, labels: pd.DataFrame, contracts: Contracts
) -> pd.DataFrame:
    """Return the features with their labels, in the order of prediction; without a label: none."""
    rows = join_labels(features, labels, contracts)
    return narrow_labels(rows[rows["label"].notna()].reset_index(drop=True), contracts)


def fit_known(
    spec: Estimator,
    calibration: Mapping[str, Any],
    examples: pd.DataFrame,
    moment: pd.Timestamp,
    framing: Framing,
    contracts: Contracts,
) -> Bundle:
    """Return a model fitted on the labels that were known at a moment.

    calibration: has `slope` and `intercept`.
    """
    known = examples[examples["label_known_at"] <= moment]
    line = {name: calibration[name] for name in ("slope", "intercept")}
    return make_bundle(spec, known, framing, contracts["features"], **line)


def _refit(
    champion: Bundle,
    examples: pd.DataFrame,
    moment: pd.Timestamp,
    framing: Framing,
    contracts: Contracts,
) -> Bundle:
    """Return the champion's recipe fitted on the labels that are known at a moment."""
    recipe = _recipe(champion, contracts)
    bundle = fit_known(recipe, champion, examples, moment, framing, contracts)
    version = champion["provenance"]["version"]
    bundle["provenance"] |= {"known_until": moment.isoformat(), "refit_of": version}
    return bundle


def clear_refit(
    project: Path,
    provenance: Document,
    challenger: Bundle,
    champion: Bundle | None,
    trial: Document,
    limits_now: list[Document],
    what_if: list[str],
    framing: Framing,
) -> Document:
    """Return the clearance of a refit: each check with its result.

    limits_now: from `resources.measure_limits`, measured just now.

    Raises:
        RunError: a check failed; the message lists all failed checks.
    """
    present, origin = champion or challenger, challenger["provenance"]
    trial_of = RefitTrial.model_validate(trial)
    code = _recipe_code(project)
    version = present["provenance"].get("version")
    gain, on = trial_of.gain_per_1000, contracts_on(DataCatalog()._is_validation_enabled())
    worse = gain.high is None or gain.high < 0
    checks: list[Check] = [
        check("what-if", what_if, "none"),
        check("contracts", [on.message] * (not on.ok), "were on"),
        check(
            "recipe",
            [f"differs from the champion's. {GATE}"] * (not same_recipe(challenger, present)),
            "is the champion's",
        ),
        check(
            "code",
            [f"src, conf/base or pyproject.toml changed since it was evaluated. {GATE}"]
            * (provenance["code"]["sha256"] != code),
            "is that of the evaluation of the recipe",
        ),
        check(
            "champion",
            [f"the refit and its trial are of another one: the champion is {version} now"]
            * (not origin["refit_of"] == trial_of.champion == version),
            "is the one that was refitted",
        ),
        check(
            "trial",
            [f"is significantly worse than the champion, or not known: {gain}"] * worse
            + ["is older than the refit"] * (pd.Timestamp(origin["known_until"]) != trial_of.until),
            f"is not significantly worse than the champion on {trial_of.decisions:,} decisions",
        ),
        check("metrics", trial_of.implausible, "are plausible"),
        check("limits", violations(limits_now, framing.costs.unit), "hold, measured again"),
    ]
    if failed := [f"  - {c['name']}: {c['message']}" for c in checks if not c["ok"]]:
        raise RunError("\n".join(["The refit is not promoted:", *failed]))
    return {"run": provenance["run"], "checks": checks, "override": None}


def _recipe_code(project: Path) -> str:
    """Return the hash of the code that the champion's recipe was evaluated with."""
    now = pointer.current(project / pointer.POINTER)
    if now is None:
        raise RunError("There is no champion: kedro run --pipelines deployment")
    code: str = read_manifest(project, now.recipe_run or now.run)["code"]["sha256"]
    return code


def promote_refit(project: Path, provenance: Document, clearance: Document) -> Document:
    """Return the record of the new champion; saving the record promotes it."""
    before = pointer.current(project / pointer.POINTER)
    assert before is not None  # it was cleared against one
    record = pointer.champion_record(
        provenance["files"]["challenger"], clearance["run"], instead_of=before.sha256
    )
    recipe_run = before.recipe_run or before.run
    return record.model_copy(update={"recipe_run": recipe_run}).model_dump()
