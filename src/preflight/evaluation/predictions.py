"""Predictions on the test set, which evaluation alone reads."""

from typing import Any

import numpy as np
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.evaluation.comparison import CHAMPION
from preflight.evaluation.contracts import Evaluation
from preflight.features.fingerprints import require_fingerprints
from preflight.modeling.model import DECIDING, Bundle, is_binary, predict_and_decide
from preflight.problem.framing import Framing
from preflight.runs.manifest import flatten


def predict_test(
    candidate: Bundle,
    baselines: dict[str, Bundle],
    test: pd.DataFrame,
    split_summary: pd.DataFrame,
    audit: pd.DataFrame,
    framing: Framing,
    contracts: Contracts,
    champion: Bundle | None = None,
) -> pd.DataFrame:
    """Return the predictions and decisions of candidate, baselines and champion on test.

    Grain: one row per test example. Columns: the key, `predict_at`, `label`, `probability`, `act`,
    `probability_<name>` and `act_<name>` for each baseline and for the champion, if there is one,
    and `cost_<outcome>` for each cost that is no constant. In regression `prediction` is both the
    prediction and the decision.

    Raises:
        RunError: a model was made under another framing or trained on test, test has another split
            or is not the audited one, or its costs leave nothing to decide.
    """
    framing.split.require(split_summary, test=test)
    require_fingerprints(audit, test=test)
    costs = framing.costs.cost_columns(test)
    now = framing.model_dump(mode="json", include=set(DECIDING))
    all_again = "run the whole pipeline again: kedro run"
    for name, bundle in {"candidate": candidate, **baselines}.items():
        then = bundle["provenance"]["framing"]
        if changed := [section for section in DECIDING if then.get(section) != now[section]]:
            changes = _differences(*({one: f.get(one) for one in changed} for f in (then, now)))
            raise RunError(
                f"'{name}' was made under another framing: {'; '.join(changes)}. Set it back, or "
                f"{all_again}"
            )
        _require_unseen(f"'{name}'", bundle, test, all_again.capitalize())
    rivals = dict(baselines)
    if champion is not None:
        _require_comparable(champion, test, framing)
        rivals[CHAMPION] = champion
    columns: dict[str, Any] = {}
    for suffix, model in {"": candidate, **{f"_{k}": v for k, v in rivals.items()}}.items():
        predicted = predict_and_decide(model, test)
        columns |= {f"{name}{suffix}": values for name, values in predicted.items()}
    columns |= framing.group_column(test)
    key = contracts["features"].grain()
    return test[[*key, "predict_at", "label"]].assign(**columns, **costs)


def _differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return each setting of the framing that differs, as "name: before -> after"."""
    before, after = flatten(then, "framing."), flatten(now, "framing.")

    def written(settings: dict[str, Any], name: str) -> str:
        return str(settings.get(name, "not set")).removesuffix(".0")

    return [
        f"{name}: {written(before, name)} -> {written(after, name)}"
        for name in dict.fromkeys([*before, *after])
        if before.get(name, ...) != after.get(name, ...)
    ]


def _require_comparable(champion: Bundle, test: pd.DataFrame, framing: Framing) -> None:
    """Raise RunError if the champion can't be evaluated on this test set.

    It may have been made under other costs: its decisions are evaluated at today's costs.
    """
    to_do = (
        "Let test begin later (framing.split), or go back to the champion before: kedro rollback"
    )
    if is_binary(champion) != (framing.task == "binary"):
        raise RunError(f"The champion has another task than framing.task, {framing.task}. {to_do}")
    if missing := [name for name in champion["features"] if name not in test]:
        raise RunError(f"The champion reads features that no longer exist: {missing}. {to_do}")
    _require_unseen("The champion", champion, test, to_do)


def _require_unseen(name: str, bundle: Bundle, test: pd.DataFrame, to_do: str) -> None:
    """Raise RunError if a model was trained on examples of the time of test."""
    last, first = pd.Timestamp(bundle["provenance"]["last"]), test["predict_at"].min()
    if last >= first:
        raise RunError(
            f"{name} was trained on examples until {last}, but the test begins on {first}: "
            f"it has seen part of the test set. {to_do}"
        )


def select_reference_rows(
    test: pd.DataFrame,
    test_predictions: pd.DataFrame,
    framing: Framing,
    evaluation: Evaluation,
    contracts: Contracts,
) -> pd.DataFrame:
    """Return rows of test with the candidate's predictions, from the lowest to the highest.

    Wherever the candidate is used, it has to give the same predictions, to the last bit.

    Grain: one row per example, spread evenly over the predictions.
    """
    order = test_predictions[framing.predicted].argsort(kind="stable")
    few = min(evaluation.reference_rows, len(order))
    rows = order.iloc[np.linspace(0, len(order) - 1, few).astype(int)]
    features = contracts["features"]
    columns = dict.fromkeys([*features.grain(), "predict_at", *features.names()])
    chosen = test[list(columns)].assign(**test_predictions[[framing.predicted]])
    return chosen.iloc[rows].drop_duplicates(features.grain()).reset_index(drop=True)


def last_fold(validation: pd.DataFrame, validation_predictions: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions for the validation set, in the order of its examples."""
    last = validation_predictions[validation_predictions["last"]].reset_index(drop=True)
    require_same(validation, last, "validation")
    return last


def require_same(examples: pd.DataFrame, predictions: pd.DataFrame, name: str) -> None:
    """Raise RunError if predictions are not those for the examples."""
    seen = ["predict_at", "label"]
    if not examples[seen].equals(predictions[seen]):
        raise RunError(
            f"'{name}_predictions' belong to an older '{name}', which has been made again. "
            "Run: kedro run --pipelines modeling,evaluation,diagnosis,reporting"
        )
