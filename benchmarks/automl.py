"""The search against FLAML: the same examples, features, objective, validation set and time.

    pip install flaml lightgbm xgboost-cpu      (nothing else here needs them)
    python -m benchmarks.automl

Both fit on train and judge on validation, by the framing's money; FLAML may take LightGBM, boosted
trees of scikit-learn, random forests and extra trees, ours the candidates that stand in conf. The
difference between the two best models is compared day by day.
"""

import json
import time
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import arguments, fresh, given, table

THEIRS = ["lgbm", "histgb", "rf", "extra_tree"]


def compare(every: int, seconds: int, seed: int) -> list[tuple[Any, ...]]:
    """Return for each: who, trials, wall seconds, value per 1,000, difference to ours."""
    from flaml import AutoML

    from preflight.modeling.parameters import Modeling
    from preflight.modeling.search import search_parameters
    from preflight.modeling.training import fit_predict, saving
    from preflight.problem.framing import Framing
    from preflight.problem.money import format_money
    from preflight.stats.bootstrap import Bootstrap

    from late_flights.contracts.features import Features

    train, validation, parameters = given(every)
    framing = Framing.model_validate(parameters["framing"])
    budget = {"earlier_folds": [], "trials": 10_000, "seconds": seconds}
    own = parameters["modeling"] | {"seed": seed}
    modeling = Modeling.model_validate(own | {"search": own["search"] | budget})
    # the last fold trains on what was known when validation began: here that is all of train
    both = pd.concat([train, validation], ignore_index=True)
    both = both.astype(dict.fromkeys(train.select_dtypes("category"), "category"))
    both["is_validation"] = both.index >= len(train)
    train, validation = both.head(len(train)), both.tail(len(validation))

    began = time.perf_counter()
    best, trials, _ = search_parameters(both, None, framing, modeling)
    took = time.perf_counter() - began
    spec = modeling.candidates[modeling.default_candidate]
    # the parameters of the best trial, whether or not they would be kept
    params = json.loads(trials.set_index("trial").loc[best["trial"], "params"])
    ours = saving(validation, fit_predict(spec.tuned(params), train, validation), framing)
    declared = saving(validation, fit_predict(spec, train, validation), framing)

    def loss(X: Any, y: Any, estimator: Any, *_: Any, **__: Any) -> tuple[float, dict[str, float]]:
        value = saving(validation, estimator.predict_proba(X)[:, 1], framing).mean()
        return -1000 * float(value), {}

    names = Features.names()
    automl = AutoML()
    began = time.perf_counter()
    automl.fit(
        *(train[names], train["label"]),
        X_val=validation[names],
        y_val=validation["label"],
        task="classification",
        metric=loss,
        estimator_list=THEIRS,
        time_budget=seconds,
        n_jobs=-1,
        seed=seed,
        retrain_full=False,
        verbose=0,
    )
    theirs_took = time.perf_counter() - began
    theirs = saving(validation, automl.predict_proba(validation[names])[:, 1], framing)

    money = partial(format_money, unit=framing.costs.unit)
    days = Bootstrap(validation, framing, 1000, seed)

    def row(who: str, tried: int, wall: float, saved: Any) -> tuple[Any, ...]:
        off = days.per_1000(ours - saved)
        mean, low, high = (money(off[end] or 0.0) for end in ("mean", "low", "high"))
        return who, tried, wall, money(float(1000 * np.mean(saved))), f"{mean} ({low} to {high})"

    return [
        row("ours", len(trials), took, ours),
        row("declared parameters", 1, 0.0, declared),
        row(f"FLAML ({automl.best_estimator})", len(automl.config_history), theirs_took, theirs),
    ]


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, every=1, seconds=120, seed=2013)
    options = parser.parse_args(argv)
    rows = fresh(compare, options.every, options.seconds, options.seed)
    table(
        f"{options.seconds} s each, seed {options.seed}",
        ["search", "trials", "wall s", "value per 1,000 on validation", "ours more by"],
        rows,
    )


if __name__ == "__main__":
    main()
