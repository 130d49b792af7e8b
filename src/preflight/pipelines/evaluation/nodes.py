"""The only place where the test set is opened: predictions, figures with intervals, the verdict."""

import logging
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from kedro.io import DataCatalog

from preflight.audited import fingerprint, require_audited
from preflight.bundle import DECIDING, Bundle, answers, decide, is_binary
from preflight.contracts.catalog import Contracts
from preflight.costs import Errors, per_1000
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.intervals import (
    Interval,
    covered,
    detectable,
    drawn_days,
    figures,
    interval,
    mean_over,
    roc_auc,
)
from preflight.money import format_money
from preflight.pipelines.evaluation import gate
from preflight.pipelines.evaluation.settings import Evaluation
from preflight.pipelines.evaluation.slicing import slices_of

log = logging.getLogger(__name__)


def power(
    validation_predictions: pd.DataFrame,
    baselines: dict[str, Bundle],
    selection: dict[str, Any],
    split_summary: pd.DataFrame,
    framing: Framing,
) -> dict[str, Any]:
    """Return the gain that test can tell from nothing, and the least that is asked, per 1,000.

    By how the gain over the best baseline differs from day to day on validation, and the days of
    test; so that a test that is too short is told before it is opened. The error of a mean over
    days is that of a ratio estimator (Cochran 1977, chapter 6).
    """
    last = validation_predictions[validation_predictions["last"]]
    costs, label = framing.costs.at(last), last["label"].to_numpy()
    name = selection["best_baseline"]
    said = {model: last[f"{framing.predicted}_{model}"].to_numpy() for model in ("candidate", name)}
    baseline = decide(baselines[name], said[name], last)
    gain = costs.saving(label, costs.decide(said["candidate"])) - costs.saving(label, baseline)
    by_day = pd.Series(gain).groupby(framing.split.day(last["predict_at"]).to_numpy())
    day = by_day.agg(["sum", "size"])
    test = split_summary[split_summary["part"] == "test"]
    begin, end = (framing.split.day(test[edge]).iloc[0] for edge in ("first", "last"))
    days, test_days, asked = len(day), (end - begin).days + 1, framing.least_per_1000
    shows = None
    if days > 1:
        off = day["sum"] - gain.mean() * day["size"]
        error = np.sqrt(days / (days - 1) * (off**2).sum()) / len(gain) * np.sqrt(days / test_days)
        shows = detectable(1000 * error, framing.confidence, framing.success.power)
    if shows is not None and shows > asked:
        log.warning(
            "  The test may be too short. The smallest gain that %d test days can detect is %s per "
            "1,000 %s; the required gain is %s. Let the test begin earlier "
            "(framing.split.test_from).",
            test_days,
            format_money(shows, framing.costs.unit),
            framing.decision.units,
            format_money(asked, framing.costs.unit),
        )
    return {"days": test_days, "shows_per_1000": shows, "asked_per_1000": asked}


def test_predictions(
    candidate: Bundle,
    baselines: dict[str, Bundle],
    test: pd.DataFrame,
    audit: pd.DataFrame,
    framing: Framing,
    contracts: Contracts,
    champion: Bundle | None = None,
) -> pd.DataFrame:
    """Return what candidate, baselines and champion say of each test example, and decide.

    Grain: one row per test example. Columns: the key, `predict_at`, `label`, `probability`, `act`,
    `probability_<name>` and `act_<name>` for each baseline and for the champion, if there is one,
    and `cost_<outcome>` for each cost that is no constant. Of amounts, `prediction` alone is what
    is predicted and decided.

    Raises:
        RunError: a model was made under another framing than the one that it would be judged by,
            test is not the one that the audit has passed or of another split, its costs leave
            nothing to decide, or the champion has learnt from it.
    """
    framing.split.require(test=test)
    require_audited(audit, test=test)
    costs = framing.costs.kept(test)
    now = framing.model_dump(mode="json", include=set(DECIDING))
    for name, bundle in {"candidate": candidate, **baselines}.items():
        then = bundle["provenance"]["framing"]
        if changed := [section for section in DECIDING if then.get(section) != now[section]]:
            raise RunError(
                f"'{name}' was made under another framing: {', '.join(changed)} changed since. "
                "Run everything again: kedro run."
            )
    rivals = dict(baselines)
    if champion is not None:
        _require_comparable(champion, test, framing)
        rivals[gate.CHAMPION] = champion
    known = test[[*contracts["features"].grain(), "predict_at", "label"]]
    columns: dict[str, Any] = {}
    for suffix, model in {"": candidate, **{f"_{k}": v for k, v in rivals.items()}}.items():
        columns |= {f"{name}{suffix}": found for name, found in answers(model, test).items()}
    return known.assign(**columns, **costs)


def _require_comparable(champion: Bundle, test: pd.DataFrame, framing: Framing) -> None:
    """Raise RunError if the champion can't be judged on this test.

    It may have been made under other costs: it is judged by what it does, at the costs of today.
    """
    to_do = (
        "Choose a later framing.split.test_from, or go back to the champion before: kedro rollback"
    )
    if is_binary(champion) != (framing.task == "binary"):
        raise RunError(f"The champion is of another task, framing.task is {framing.task}. {to_do}")
    if missing := [name for name in champion["features"] if name not in test]:
        raise RunError(f"The champion reads features that there are no more: {missing}. {to_do}")
    last, first = pd.Timestamp(champion["provenance"]["last"]), test["predict_at"].min()
    if last >= first:
        raise RunError(
            f"The champion has learnt from examples until {last}, the test begins on {first}: "
            f"it has seen what it would be judged by. {to_do}"
        )


def metrics(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> dict[str, Any]:
    """Return the figures of each model on test, each with its interval over days."""
    day, weights = _days(test_predictions, framing, evaluation)
    label, costs = test_predictions["label"].to_numpy(), framing.costs.at(test_predictions)
    return {
        name: figures(
            label,
            test_predictions[f"{framing.predicted}{suffix}"].to_numpy(),
            test_predictions[f"{framing.decided}{suffix}"].to_numpy(),
            day,
            weights,
            costs,
            framing.confidence,
        )
        for name, suffix in _models(test_predictions, framing).items()
    }


def _models(test_predictions: pd.DataFrame, framing: Framing) -> dict[str, str]:
    """Return the suffix of each model's columns, the candidate's first."""
    begins = f"{framing.predicted}_"
    names = [c.removeprefix(begins) for c in map(str, test_predictions) if c.startswith(begins)]
    return {"candidate": "", **{name: f"_{name}" for name in names}}


def _days(predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation) -> tuple[Any, Any]:
    """Return each row's day as a number, and how often each replicate draws each day."""
    return drawn_days(
        predictions["predict_at"], framing.split, evaluation.replicates, evaluation.seed
    )


def calibration_curve(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return shares asked for and observed, from the least to the most that is predicted.

    Asked for is the probability of label 1; of amounts the share of labels that is to be below.

    Grain: one row per bin of about equally many examples; the observed share has its interval over
    days.
    """
    day, weights = _days(test_predictions, framing, evaluation)
    costs, said = framing.costs.at(test_predictions), test_predictions[framing.predicted].to_numpy()
    label = test_predictions["label"].to_numpy(dtype=float)
    asked, came = said, label
    if isinstance(costs, Errors):
        asked, came = np.broadcast_to(costs.quantile, said.shape), covered(label, said)
    rank = test_predictions[framing.predicted].rank(method="first")
    many = min(evaluation.calibration_bins, len(rank))
    bins = pd.qcut(rank, many, labels=False).to_numpy()
    rows = []
    for number in range(many):
        here = bins == number
        share = interval(mean_over(came[here], day[here], weights), framing.confidence)
        rows.append(
            {
                "bin": number,
                "rows": int(here.sum()),
                "predicted": said[here].mean(),
                "asked": asked[here].mean(),
                "observed": share["mean"],
                "low": share["low"],
                "high": share["high"],
            }
        )
    return pd.DataFrame(rows)


def cost_curve(
    test_predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return what the candidate saves with other settings of its decisions, the same for all.

    Grain: one row per setting: a threshold, from 0, where it always acts, to 1, where it never
    does; of amounts what is added to each, from where nearly all are too little to where nearly all
    are too much. The one that the costs give is marked, unless they give each row its own.
    """
    day, weights = _days(test_predictions, framing, evaluation)
    label, costs = test_predictions["label"].to_numpy(), framing.costs.at(test_predictions)
    said = test_predictions[framing.predicted].to_numpy()
    steps = np.linspace(0, 1, evaluation.thresholds + 1)
    amounts = isinstance(costs, Errors)
    if isinstance(costs, Errors):
        own, steps = np.array([0.0]), np.unique(np.quantile(label - said, steps[1:-1]))
    else:
        own = np.unique(costs.threshold) if np.ndim(costs.threshold) == 0 else np.array([])
    apart = np.abs(steps[:, None] - own).min(axis=1, initial=1) > 1e-9
    rows = []
    for setting in np.sort([*steps[apart], *own]):
        decided = said + setting if amounts else said > setting
        saved = 1000 * mean_over(costs.saving(label, decided), day, weights)
        value = interval(saved, framing.confidence)
        rows.append(
            {
                "setting": setting,
                "by_costs": setting in own,
                "share": covered(label, decided).mean() if amounts else decided.mean(),
                "value_per_1000": value["mean"],
                "low": value["low"],
                "high": value["high"],
            }
        )
    return pd.DataFrame(rows)


def slices(
    test_predictions: pd.DataFrame, test: pd.DataFrame, framing: Framing, evaluation: Evaluation
) -> pd.DataFrame:
    """Return the candidate's figures in each slice of test, with intervals over days.

    Grain: one row per value of each column that the framing slices by (see `_slicing`).
    """
    day, weights = _days(test_predictions, framing, evaluation)
    label = test_predictions["label"].to_numpy()
    said = test_predictions[framing.predicted].to_numpy()
    costs = framing.costs.at(test_predictions)
    saving = costs.saving(label, test_predictions[framing.decided].to_numpy())
    rows = []
    for by, name, here in slices_of(_slicing(test, framing)):
        worth = interval(1000 * mean_over(saving[here], day[here], weights), framing.confidence)
        score = interval(
            roc_auc(label[here], said[here], day[here], weights)
            if framing.task == "binary"
            else mean_over(np.abs(label - said)[here], day[here], weights),
            framing.confidence,
        )
        rows.append(
            {
                "by": by,
                "slice": name,
                "rows": len(here),
                "label_mean": label[here].mean(),
                "predicted": said[here].mean(),
                "value_per_1000": worth["mean"],
                "value_low": worth["low"],
                "value_high": worth["high"],
                "score": score["mean"],
                "score_low": score["low"],
                "score_high": score["high"],
            }
        )
    scores = ["score", "score_low", "score_high"]
    return pd.DataFrame(rows).astype(dict.fromkeys(scores, "float64"))


def _slicing(test: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return the values that the framing slices by, row by row.

    `month` is a feature, if there is one of that name, and else the calendar month of prediction.
    """
    month = framing.split.day(test["predict_at"]).dt.strftime("%Y-%m")
    return (test if "month" in test else test.assign(month=month))[framing.slices]


def importance(
    candidate: Bundle, test: pd.DataFrame, evaluation: Evaluation, contracts: Contracts
) -> pd.DataFrame:
    """Return by how much shuffling each feature raises the loss (Breiman 2001).

    That is the log loss, or the mean absolute error of amounts.

    Grain: one row per feature, the most important first. Measured on a sample of test; features
    that tell the same share their importance.
    """
    from sklearn.inspection import permutation_importance

    sample = test.sample(min(evaluation.importance_rows, len(test)), random_state=evaluation.seed)
    rises = permutation_importance(
        candidate["estimator"],
        sample[candidate["features"]],
        sample["label"],
        scoring="neg_log_loss" if is_binary(candidate) else "neg_mean_absolute_error",
        n_repeats=evaluation.importance_shuffles,
        random_state=evaluation.seed,
    ).importances
    groups = contracts["features"].groups()
    group_of = {name: group for group, names in groups.items() for name in names}
    table = pd.DataFrame(
        {
            "feature": candidate["features"],
            "group": [group_of[name] for name in candidate["features"]],
            "rise": rises.mean(axis=1),
            "low": rises.min(axis=1),
            "high": rises.max(axis=1),
        }
    )
    return table.sort_values("rise", ascending=False, ignore_index=True)


def end_to_end(
    test: pd.DataFrame,
    test_predictions: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return rows of test with what the candidate says of them, from the least to the most.

    Whoever uses the candidate has to get these numbers, to the last bit. Grain: one row per
    example, spread evenly over what is predicted.
    """
    order = test_predictions[framing.predicted].argsort(kind="stable")
    few = min(evaluation.end_to_end_rows, len(order))
    rows = order.iloc[np.linspace(0, len(order) - 1, few).astype(int)]
    features = contracts["features"]
    columns = dict.fromkeys([*features.grain(), "predict_at", *features.names()])
    chosen = test[list(columns)].assign(**test_predictions[[framing.predicted]])
    return chosen.iloc[rows].drop_duplicates(features.grain()).reset_index(drop=True)


def verdict(
    test_predictions: pd.DataFrame,
    test: pd.DataFrame,
    selection: dict[str, Any],
    calibration_curve: pd.DataFrame,
    limits: list[dict[str, Any]],
    earlier_verdicts: list[dict[str, Any]],
    what_if: list[str],
    framing: Framing,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Return ship or hold, with every reason: the conditions are those of `gate`.

    The best baseline was chosen on validation. Both are judged on the same days of test: the
    interval is of the difference, day by day.

    what_if: how it is judged otherwise than conf/base says. Then the decision is what it would be,
    the first reason says so, and it is not counted.
    """
    judged = gate.Judged(
        test_predictions,
        selection["best_baseline"],
        framing,
        evaluation.replicates,
        evaluation.seed,
    )
    opened = _openings(test_predictions, earlier_verdicts, bool(what_if), framing)
    checks = [
        gate.net_gain(judged),
        gate.beats_champion(judged),
        gate.same_at_other_costs(judged),
        gate.slices_hold(judged, _slicing(test, framing)),
        gate.groups_are_served_alike(judged, test[framing.guardrails.protected]),
        gate.calibrated(calibration_curve, framing),
        gate.within_limits(limits, framing.costs.unit),
        gate.seldom_opened(opened["candidates"], framing),
        gate.contracts_on(DataCatalog()._is_validation_enabled()),
    ]
    over, costs = judged.over(), framing.costs
    broken = [check.says for check in checks if not check.ok]
    return {
        "decision": "hold" if broken else "ship",
        "reasons": gate.not_an_evaluation(what_if) + (broken or [checks[0].says]),
        "value": {
            "unit": costs.unit,
            "costs": costs.model_dump(include=set(costs.of._fields))
            | {outcome: f"cost_{outcome}" for outcome in costs.columns},
            "per_1000": per_1000(judged.saving("")),
            "over_baseline": {"baseline": selection["best_baseline"], **over},
            "over_champion": judged.over(rival=gate.CHAMPION) if judged.has_champion else None,
            "net": {
                "months": framing.success.months,
                "least": framing.success.least_net_saving,
                **_net(over, framing),
            },
        },
        "kpi": {
            **framing.goal.kpi.model_dump(),
            "measured": judged.kpi(),
        },
        "limits": limits,
        "checks": [check._asdict() for check in checks],
        "test_set": opened,
        "what_if": what_if,
    }


def _net(over: Interval, framing: Framing) -> dict[str, float | None]:
    ends = {"mean": over["mean"], "low": over["low"], "high": over["high"]}
    return {end: None if value is None else framing.net(value) for end, value in ends.items()}


def _openings(
    test_predictions: pd.DataFrame,
    earlier: list[dict[str, Any]],
    what_if: bool,
    framing: Framing,
) -> dict[str, Any]:
    """Return how often this test set was opened, by the verdicts that are kept and are no what-ifs.

    candidates: how many different ones it has judged, this one among them.
    """
    framed = framing.model_dump_json(include={"prediction", "split"})
    this = {
        "id": f"{sha256(framed.encode()).hexdigest()[:12]}-{len(test_predictions)}",
        "candidate": fingerprint(test_predictions[[framing.predicted]]),
    }
    counted = [one.get("test_set", {}) for one in earlier if not one.get("what_if")]
    same = [one["candidate"] for one in counted if one.get("id") == this["id"]]
    same += [] if what_if else [this["candidate"]]
    return {**this, "opened": len(same), "candidates": len(set(same))}
