"""What a trial's value so far says of its value in the end: where trials may be given up.

    python -m benchmarks.pruning

Random parameters of the first candidate, each judged to the end on all folds, in one thread; after
parts of its growth the value so far is compared with the last one, over all trials.
"""

import time
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.measure import arguments, fresh, given, one_thread, table

PARTS = [0.2, 0.4, 1.0]


def judged(every: int, trials: int, seed: int) -> list[tuple[str, float, float]]:
    """Return for each step its name, the share of the cost until then, and a rank correlation."""
    import optuna
    from scipy.stats import spearmanr

    from preflight.modeling.parameters import Modeling
    from preflight.modeling.training import folds, saving
    from preflight.modeling.trials import suggested
    from preflight.problem.framing import Framing

    from late_flights.contracts.features import Features

    train, validation, parameters = given(every)
    framing = Framing.model_validate(parameters["framing"])
    modeling = Modeling.model_validate(parameters["modeling"])
    categories = dict.fromkeys(train.select_dtypes("category"), "category")
    both = pd.concat([train, validation], ignore_index=True).astype(categories)
    both["is_validation"] = both.index >= len(train)
    parts = list(folds(both, framing, modeling))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    values, seconds = np.zeros((2, trials, len(parts) * len(PARTS)))
    for number in range(trials):
        spec = suggested(study.ask(), modeling)
        names, done = spec.features(Features.groups()), 0.0
        for fold, (known, judge) in enumerate(parts):
            estimator: Any = spec.build().set_params(warm_start=True)
            for part, share in enumerate(PARTS):
                step, began = fold * len(PARTS) + part, time.perf_counter()
                size = max(1, round(share * spec.params[spec.warm_start_param]))
                estimator.set_params(**{spec.warm_start_param: size}).fit(
                    known[names], known["label"]
                )
                chance = estimator.predict_proba(judge[names])[:, 1]
                value = 1000 * saving(judge, chance, framing).mean()
                values[number, step] = (done + value) / (fold + 1)
                seconds[number, step] = time.perf_counter() - began
            done += value
    cost = seconds.sum(axis=0).cumsum() / seconds.sum()
    return [
        (
            f"fold {step // len(PARTS) + 1}, {PARTS[step % len(PARTS)]:.0%} of the trees",
            float(cost[step]),
            float(spearmanr(values[:, step], values[:, -1]).statistic),
        )
        for step in range(values.shape[1])
    ]


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, every=1, trials=30, seed=1)
    options = parser.parse_args(argv)
    one_thread()
    rows = fresh(judged, options.every, options.trials, options.seed)
    table(
        f"{options.trials} random trials",
        ["after", "share of the cost", "rank correlation with the value in the end"],
        rows,
    )


if __name__ == "__main__":
    main()
