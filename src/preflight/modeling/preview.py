"""The preview: models as declared, fitted on a sample of train, evaluated on validation."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from preflight.contracts.catalog import Contracts
from preflight.contracts.documents import Document, DocumentContract, Parameters
from preflight.errors import RunError
from preflight.modeling.calibration import fit_platt
from preflight.modeling.estimators import Estimator
from preflight.modeling.importance import shuffle_features
from preflight.modeling.model import Floats, predict_uncalibrated
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import fit, fit_predict, saving
from preflight.problem.costs import UnitCosts, per_1000
from preflight.problem.framing import Framing
from preflight.problem.money import format_money
from preflight.problem.shares import format_level
from preflight.stats.bootstrap import Bootstrap
from preflight.stats.contracts import Interval
from preflight.stats.metrics import coverage

LEFT_OUT = "audit, search, test set, contracts of tables and features"
REPLICATES = 200  # of the bootstrap: the interval of a mean hardly depends on them
TOP = 5  # features in the terminal


class PreviewParameters(Parameters):
    """How much the preview fits and measures."""

    train_rows: int = Field(gt=0, description="examples of train that models are fitted on")
    importance_rows: int = Field(gt=0, description="of validation, on which features are shuffled")
    seed: int


class Preview(Document):
    """What a quick look at the models shows. It is no verdict, and nothing of it is deployed."""

    kind: Literal["preview"]
    left_out: str = Field(description="what a run does, and the preview does not")
    units: str = Field(description="what is decided on")
    fitted_rows: int = Field(description="examples that the models were fitted on")
    train_rows: int = Field(description="examples of train that there are")
    validation_rows: int = Field(description="examples that the models are evaluated on")
    unit: str = Field(description="currency of the costs")
    values: dict[str, float] = Field(description="saving per 1,000 decisions of each model")
    best_baseline: str
    gain: Interval = Field(description="of the candidate over it, per 1,000 decisions")
    confidence: float = Field(description="level of the interval")
    net: float = Field(description="the gain over all months, after upkeep")
    months: float
    quality: dict[str, float | None] = Field(description="ROC AUC and calibration, or errors")
    importance: dict[str, float] = Field(description="rise of the loss of a shuffled feature")


preview = DocumentContract(Preview)


def compute_preview(
    train: pd.DataFrame,
    validation: pd.DataFrame,
    framing: Framing,
    modeling: Modeling,
    preview: PreviewParameters,
    contracts: Contracts,
) -> dict[str, Any]:
    """Return the saving, quality and feature importance of the first candidate (see `Preview`).

    Candidate and baselines have the declared parameters. All are fitted on the same random sample
    of train and evaluated on validation.

    Raises:
        RunError: the sample has only one label, or a model can't be fitted.
    """
    sample = train.sample(min(preview.train_rows, len(train)), random_state=preview.seed)
    sample = sample.sort_index()
    if sample["label"].nunique() < 2:
        raise RunError(
            f"All {len(sample):,} labels of the sample of train are {sample['label'].iloc[0]:g}: "
            "there is nothing to learn. Raise preview.train_rows."
        )
    features, spec = contracts["features"], modeling.candidates[modeling.default_candidate]
    candidate = fit(spec, sample, features)
    predicted = predict_uncalibrated(candidate, validation, spec.features(features.groups()))
    saved = {"candidate": saving(validation, predicted, framing)} | {
        name: saving(
            validation,
            fit_predict(modeling.baselines[name], sample, validation, features),
            framing,
            modeling.thresholds[name],
        )
        for name in framing.baselines
    }
    values = {name: per_1000(some) for name, some in saved.items()}
    best = max(framing.baselines, key=lambda name: values[name])
    units = validation.assign(**framing.group_column(validation))
    gain = Bootstrap(units, framing, REPLICATES, preview.seed).per_1000(
        saved["candidate"] - saved[best]
    )
    assert gain["mean"] is not None  # validation has rows
    return {
        "kind": "preview",
        "left_out": LEFT_OUT,
        "units": framing.decision.units,
        "fitted_rows": len(sample),
        "train_rows": len(train),
        "validation_rows": len(validation),
        "unit": framing.costs.unit,
        "values": values,
        "best_baseline": best,
        "gain": gain,
        "confidence": framing.confidence,
        "net": framing.net(gain["mean"]),
        "months": framing.success.months,
        "quality": _quality(validation, predicted, framing),
        "importance": _importance(candidate, spec, validation, framing, preview, contracts),
    }


def _quality(validation: pd.DataFrame, predicted: Floats, framing: Framing) -> dict[str, Any]:
    """Return metrics of the predictions: how well they rank, and whether they are calibrated.

    A calibration slope of 1 is right, below 1 predictions are too extreme. In a regression the
    share of labels below the prediction should be the target share, which follows from the costs.
    """
    label, costs = validation["label"].to_numpy(), framing.costs.at(validation)
    if isinstance(costs, UnitCosts):
        return {
            "mae": float(np.abs(label - predicted).mean()),
            "share_below": float(coverage(label, predicted).mean()),
            "target_share": float(np.mean(costs.quantile)),
        }
    from sklearn.metrics import roc_auc_score

    of_candidate = validation[["label"]].assign(probability_candidate=predicted)
    slope = fit_platt(of_candidate)[0] if np.ptp(predicted) > 0 else None
    return {"roc_auc": float(roc_auc_score(label, predicted)), "calibration_slope": slope}


def _importance(
    candidate: Any,
    spec: Estimator,
    validation: pd.DataFrame,
    framing: Framing,
    preview: PreviewParameters,
    contracts: Contracts,
) -> dict[str, float]:
    """Return the rise of the loss if a feature is shuffled once, the most important first."""
    names = spec.features(contracts["features"].groups())
    found = shuffle_features(
        candidate,
        validation,
        names,
        binary=framing.task == "binary",
        rows=preview.importance_rows,
        shuffles=1,
        seed=preview.seed,
    )
    rises = dict(zip(names, map(float, found[:, 0]), strict=True))
    return dict(sorted(rises.items(), key=lambda one: one[1], reverse=True))


def describe_preview(found: dict[str, Any]) -> dict[str, str]:
    """Return the preview as lines for the terminal, by heading."""
    gain, unit = found["gain"], found["unit"]
    mean, net = gain["mean"], format_money(found["net"], unit)
    interval = "no interval: validation is too short"
    if gain["low"] is not None:
        low, high = (format_money(gain[end], unit) for end in ("low", "high"))
        interval = f"{format_level(found['confidence'])} CI {low} to {high}"
    quality = ", ".join(
        f"{name.replace('_', ' ').replace('roc auc', 'ROC AUC').replace('mae', 'MAE')} "
        f"{'not known' if value is None else format(value, '.3g')}"
        for name, value in found["quality"].items()
    )
    return {
        "PREVIEW": f"no verdict. Fitted on {found['fitted_rows']:,} of {found['train_rows']:,} "
        f"{found['units']} of train, evaluated on {found['validation_rows']:,} of validation.",
        "Gain": f"{format_money(mean, unit)} per 1,000 {found['units']} over "
        f"{found['best_baseline'].replace('_', ' ')}, the best baseline ({interval}); {net} in "
        f"{found['months']:g} months after upkeep, if all months were like these.",
        "Quality": f"{quality}. Most important: {', '.join([*found['importance']][:TOP])}.",
        "Left out": f"{found['left_out']}. Nothing of a preview is deployed.",
        "Next": "kedro run   (all of it, with a verdict and a report)",
    }
