"""Settings that follow from others where nobody stated them: models by the task, and quantiles."""

from typing import Any

from preflight.problem.framing import Framing

Settings = dict[str, Any]  # as in conf

BASELINES = "preflight.modeling.baselines"
SCALED = "preflight.modeling.preprocessing.scaled"
TREES: Settings = {  # of both tasks
    "learning_rate": 0.1,
    "max_iter": 120,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 20,
    "max_features": 0.4,
    "l2_regularization": 5.0,
    "categorical_features": "from_dtype",
    "early_stopping": False,
    "random_state": 0,
}
SPACE: Settings = {
    "learning_rate": {"type": "float", "low": 0.03, "high": 0.2, "log": True},
    "max_iter": {"type": "int", "low": 50, "high": 300},
    "max_leaf_nodes": {"type": "int", "low": 4, "high": 64, "log": True},
    "min_samples_leaf": {"type": "int", "low": 5, "high": 500, "log": True},
    "max_features": {"type": "float", "low": 0.15, "high": 0.9},
    "l2_regularization": {"type": "float", "low": 0.1, "high": 100, "log": True},
}


def complete(parameters: Settings) -> Settings:
    """Return the parameters with what follows from them: models, quantiles, baselines to beat.

    `modeling.candidates` and `modeling.baselines` follow from the task, if they are left out or
    empty. A `quantile` of null is that of the costs. `framing.baselines` are all of modeling.

    parameters: as in conf. They are returned unchanged where the framing is not valid: the run
        reports that later, with all its faults.
    """
    framing, modeling = parameters.get("framing"), parameters.get("modeling")
    if not isinstance(framing, dict) or not isinstance(modeling, dict):
        return parameters
    try:
        typed = Framing.model_validate({"baselines": ["any"], **framing})
    except ValueError:
        return parameters
    usual = _models(typed)
    filled = modeling | {key: models for key, models in usual.items() if not modeling.get(key)}
    filled |= {key: _with_quantiles(filled[key], typed) for key in usual}
    if typed.task == "regression":
        filled.setdefault("calibration_gain", 0)
    baselines = {"baselines": list(filled["baselines"])} | framing
    return parameters | {"framing": baselines, "modeling": filled}


def _models(framing: Framing) -> dict[str, Settings]:
    """Return the usual candidates and baselines of the task."""
    keys = [name for name in framing.slices if name != "month"]
    boosted = "sklearn.ensemble.HistGradientBoosting"
    candidate = {"warm_start_param": "max_iter", "params": TREES, "space": SPACE}
    if framing.task == "binary":
        candidate |= {"path": f"{boosted}Classifier"}
        baselines = {
            "never_act": {"path": "sklearn.dummy.DummyClassifier", "threshold": 1},
            "lookup": {"path": f"{BASELINES}.LookupTable", "params": {"keys": keys}},
            "logistic_regression": {
                "path": "sklearn.linear_model.LogisticRegression",
                "preprocessing": SCALED,
                "params": {"max_iter": 1000, "tol": 0.001},
            },
        }
    else:
        quantile = {"quantile": None}
        trees = TREES | {"loss": "quantile"} | quantile
        candidate |= {"path": f"{boosted}Regressor", "params": trees}
        same = {"strategy": "quantile"} | quantile
        baselines = {
            "same_for_all": {"path": "sklearn.dummy.DummyRegressor", "params": same},
            "lookup": {"path": f"{BASELINES}.LookupAmounts", "params": {"keys": keys} | quantile},
            "linear": {
                "path": f"{BASELINES}.LinearAmounts",
                "preprocessing": SCALED,
                "params": quantile,
            },
        }
    if not keys:
        del baselines["lookup"]
    return {"candidates": {"boosted_trees": candidate}, "baselines": baselines}


def _with_quantiles(models: Any, framing: Framing) -> Any:
    """Return models with each `quantile` of null set to that of the costs."""
    if not isinstance(models, dict):
        return models
    return {
        name: {**model, "params": {**model["params"], "quantile": _quantile(framing)}}
        if isinstance(model, dict) and (model.get("params") or {}).get("quantile", 0) is None
        else model
        for name, model in models.items()
    }


def _quantile(framing: Framing) -> float:
    """Return the quantile of the costs; the median if each row has its own.

    Each model gets a number of its own, as from conf: a model's file tells whether two are one.
    """
    return float(str(getattr(framing.costs, "quantile", None) or 0.5))
