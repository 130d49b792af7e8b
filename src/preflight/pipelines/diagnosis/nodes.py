"""What bought the gain, what more data would buy, where it fails and how it breaks.

Nothing here flows back: it is measured after the verdict, on the days that the verdict saw. Values
are savings over never acting per 1,000 decisions, in the currency of the costs; intervals are over
days, and those of a difference are paired day by day.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.bundle import Bundle, Floats, corrected, predict, raw
from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError
from preflight.framing import Framing
from preflight.intervals import Interval, drawn_days, interval, mean_over
from preflight.pipelines.diagnosis.settings import Diagnosis
from preflight.pipelines.evaluation.settings import Evaluation
from preflight.pipelines.modeling.nodes import fit, judged, saving
from preflight.pipelines.modeling.settings import Estimator, Modeling

FAR_OFF = 3.5  # times the usual error
HALF = "if it acted above 50%"  # the last step of a waterfall, where it is decided to act


class Days:
    """The bootstrap over the days of a table of predictions."""

    def __init__(self, predictions: pd.DataFrame, framing: Framing, evaluation: Evaluation) -> None:
        self.day, self.weights = drawn_days(
            predictions["predict_at"], framing.split, evaluation.replicates, evaluation.seed
        )
        self.confidence = framing.confidence

    def per_1000(self, saving: Floats, rows: Any = slice(None)) -> Interval:
        """Return the mean of a value per row, times 1,000, with its interval."""
        return interval(self.replicates(saving, rows), self.confidence)

    def replicates(self, saving: Floats, rows: Any = slice(None)) -> Floats:
        """Return the same in each replicate, shape (replicates + 1,)."""
        return 1000 * mean_over(saving[rows], self.day[rows], self.weights)


def last_fold(validation: pd.DataFrame, validation_predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions for the validation set, row by row those of its examples."""
    last = validation_predictions[validation_predictions["last"]].reset_index(drop=True)
    require_same(validation, last, "validation")
    return last


def require_same(examples: pd.DataFrame, predictions: pd.DataFrame, name: str) -> None:
    """Raise RunError if predictions are not those for the examples."""
    seen = ["predict_at", "label"]
    if not examples[seen].equals(predictions[seen]):
        raise RunError(
            f"'{name}_predictions' are not those for '{name}', which was made again since. "
            "Run: kedro run --pipelines modeling,evaluation,diagnosis,reporting"
        )


def _require_declared(candidate: Bundle, chosen: Estimator, features: Contract) -> None:
    """Raise RunError if the candidate was made with other settings: steps wouldn't lead to it."""
    settings = chosen.model_dump(include={"path", "preprocessing", "params"})
    made = {name: candidate["provenance"][name] for name in settings}
    if made != settings or candidate["features"] != chosen.features(features.groups()):
        raise RunError(
            "'candidate' was made with other features or parameters than modeling.candidates has "
            "now. Run: kedro run --pipelines modeling,evaluation,diagnosis,reporting"
        )


def waterfall(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    test: pd.DataFrame,
    validation_predictions: pd.DataFrame,
    test_predictions: pd.DataFrame,
    candidate: Bundle,
    best_params: dict[str, Any],
    selection: dict[str, Any],
    framing: Framing,
    modeling: Modeling,
    evaluation: Evaluation,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return what each step from the best baseline to the candidate adds, on validation and test.

    Grain: one row per part and step, in the order in which they are taken: the model on the first
    group of features, each further group, tuning (all of these fitted on a sample of train), all
    examples (of train; on test those of validation too), calibration, and at last, where it is
    decided whether to act, what a threshold of one half would do instead. What a step adds depends
    on those before it.
    """
    last = last_fold(validation, validation_predictions)
    require_same(test, test_predictions, "test")
    chosen, features = modeling.chosen(best_params), contracts["features"]
    _require_declared(candidate, chosen, features)
    parts = {"validation": validation, "test": test}
    name = selection["best_baseline"]
    few = train.sample(min(diagnosis.step_rows, len(train)), random_state=diagnosis.seed)
    steps = [
        (kind, step, found)
        for kind, step, spec in _steps(modeling.candidates[modeling.declared], chosen, features)
        if (found := _probabilities(spec, few, parts, features)) is not None
    ]
    whole = {
        "validation": last[f"{framing.predicted}_candidate"].to_numpy(),
        "test": predict({**candidate, "slope": 1.0, "intercept": 0.0}, test),
    }
    steps.append(("examples", "all examples", whole))
    if (candidate["slope"], candidate["intercept"]) != (1.0, 0.0):
        said = {part: corrected(candidate, chance) for part, chance in whole.items()}
        steps.append(("calibration", "calibration", said))

    baseline = {
        "validation": saving(
            last,
            last[f"{framing.predicted}_{name}"].to_numpy(),
            framing,
            modeling.baselines[name].threshold,
        ),
        "test": framing.costs.at(test).saving(
            test["label"].to_numpy(), test_predictions[f"{framing.decided}_{name}"].to_numpy()
        ),
    }
    rows = []
    for part, examples in parts.items():
        days = Days(examples, framing, evaluation)
        before = baseline[part]
        rows.append(_step(part, "baseline", name, before, None, days))
        for kind, step, chance in steps:
            worth = saving(examples, chance[part], framing)
            rows.append(_step(part, kind, step, worth, before, days))
            before = worth
        if framing.task == "binary":
            half = saving(examples, chance[part], framing, threshold=0.5)
            rows.append(_step(part, "threshold", HALF, half, before, days))
    table = pd.DataFrame(rows)
    return table.astype(dict.fromkeys(table.columns[3:], "float64"))


def _steps(
    spec: Estimator, chosen: Estimator, features: Contract
) -> Iterator[tuple[str, str, Estimator]]:
    """Yield each step that is a fit: its kind, its name and the estimator."""
    groups = [group for group in features.groups() if group not in spec.without]
    for number, group in enumerate(groups):
        unseen = [*spec.without, *groups[number + 1 :]]
        kind, name = ("group", group) if number else ("first group", f"{group} alone")
        yield kind, name, spec.model_copy(update={"without": unseen})
    if chosen != spec:
        yield "tuning", "tuning", chosen


def _probabilities(
    spec: Estimator, examples: pd.DataFrame, parts: dict[str, pd.DataFrame], features: Contract
) -> dict[str, Floats] | None:
    """Return the probabilities for each part; None if it can't do without what it doesn't see."""
    try:
        estimator = fit(spec, examples, features)
    except Exception:  # whatever an estimator raises that needs a feature of a later group
        return None
    names = spec.features(features.groups())
    return {part: raw(estimator, rows, names) for part, rows in parts.items()}


def _step(
    part: str, kind: str, step: str, saving: Floats, before: Floats | None, days: Days
) -> dict[str, Any]:
    gain: Interval = {"mean": None, "low": None, "high": None}
    if before is not None:
        gain = days.per_1000(saving - before)
    return {
        "part": part,
        "kind": kind,
        "step": step,
        "value_per_1000": 1000 * saving.mean(),
        "gain": gain["mean"],
        "gain_low": gain["low"],
        "gain_high": gain["high"],
    }


def learning_curve(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    validation_predictions: pd.DataFrame,
    best_params: dict[str, Any],
    framing: Framing,
    modeling: Modeling,
    evaluation: Evaluation,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the value on validation by the size of train, and what more labels would buy.

    A smaller train is the latest part of train: what would be there had labels been collected for
    a shorter time. More labels: a straight line of the value over the logarithm of the size, fitted
    in each replicate of the bootstrap over days (a learning curve is flat enough for it over one
    doubling: Perlich et al. 2003). It doesn't hold the chance of fitting.

    Grain of the curve: one row per size.
    """
    last = last_fold(validation, validation_predictions)
    spec = modeling.chosen(best_params)
    shares = [*diagnosis.train_shares, 1.0]
    in_time = train.sort_values("predict_at", kind="stable")
    days = Days(validation, framing, evaluation)
    rows, found, sizes = [], [], []
    for size in sorted({max(1, round(share * len(train))) for share in shares}):
        latest = in_time.tail(size)
        if latest["label"].nunique() < 2:  # nothing to learn from yet
            continue
        chance = (
            last[f"{framing.predicted}_candidate"].to_numpy()
            if size == len(train)
            else judged(spec, latest, validation, contracts["features"])
        )
        found.append(days.replicates(saving(validation, chance, framing)))
        sizes.append(size)
        value = interval(found[-1], framing.confidence)
        rows.append(
            {
                "rows": size,
                "first": latest["predict_at"].min(),
                "value_per_1000": value["mean"],
                "low": value["low"],
                "high": value["high"],
            }
        )
    return pd.DataFrame(rows), _more_labels(np.array(sizes), np.array(found), framing, diagnosis)


def _more_labels(
    sizes: npt.NDArray[np.int64], found: Floats, framing: Framing, diagnosis: Diagnosis
) -> dict[str, Any]:
    """Return the value of the next labels by the slope of values (sizes, replicates)."""
    labels = max(1, int(float(f"{diagnosis.next_share * sizes[-1]:.2g}")))  # read as 11,000
    doublings = np.log2(sizes) - np.log2(sizes).mean()
    spread = (doublings**2).sum()
    slope = doublings @ found / spread if spread else np.full(found.shape[1], np.nan)
    slope = slope.round(9)  # what is left of equal values is no slope
    more = np.log2(1 + labels / sizes[-1])
    a_month = framing.decision.per_month / 1000
    value = interval(slope * more * a_month * framing.success.months, framing.confidence)
    price = labels * framing.project.label_price
    low, high = value["low"], value["high"]
    worth = "can't tell"
    if low is not None and high is not None and not low <= price <= high:
        worth = "yes" if low > price else "no"
    return {
        "per_doubling": interval(slope, framing.confidence),
        "labels": labels,
        "months": framing.success.months,
        "value": value,
        "price": price,
        "worth": worth,
    }


def suspicious_labels(
    validation_predictions: pd.DataFrame,
    framing: Framing,
    diagnosis: Diagnosis,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return the labels that the candidate, never fitted on them, contradicts most.

    In a noisy problem most of them are surprises, not errors: they are a list to review.

    Grain: one row per label to review, the most suspicious first; `found` of `of` labels in all.
    """
    label = validation_predictions["label"].to_numpy()
    said = validation_predictions[f"{framing.predicted}_candidate"].to_numpy()
    doubt, sure = (_contradicted if framing.task == "binary" else _far_off)(label, said)
    key = contracts["features"].grain()
    table = validation_predictions[[*key, "predict_at", "fold", "label"]].assign(
        predicted=said, doubt=doubt, found=sure.sum(), of=len(label)
    )
    doubted = table[sure].sort_values("doubt", ascending=False, kind="stable")
    return doubted.head(diagnosis.labels_to_review).reset_index(drop=True)


def _contradicted(label: Any, chance: Floats) -> tuple[Floats, Any]:
    """Return the probability of the other label, and where the model is sure of it.

    Surer than it is on average where that other one was given (confident learning: Northcutt,
    Jiang and Chuang 2021).
    """
    of_other = np.where(label == 1, 1 - chance, chance)
    usual = np.array([(1 - chance)[label == 0].mean(), chance[label == 1].mean()])
    sure = of_other >= usual[1 - label]
    return of_other, sure & ((1 - of_other < usual[label]) | (of_other > 0.5))  # not of both


def _far_off(label: Any, amount: Floats) -> tuple[Floats, Any]:
    """Return how many times the usual error each label is off, and where that is an outlier's.

    The usual is the median absolute deviation, as of a normal one (Iglewicz and Hoaglin 1993).
    """
    error = label - amount
    off = np.abs(error - np.median(error))
    doubt = off / max(1.4826 * float(np.median(off)), 1e-9)
    return doubt, doubt > FAR_OFF
