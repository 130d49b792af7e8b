"""What the contracts cost: their share of a whole run without search, and of the features.

    python -m benchmarks.contracts

Each round is `kedro run` in a process of its own, its imports included, in one thread. The search
is off: it would make the share smaller.
"""

import statistics
import time
from collections import Counter

from benchmarks.measure import (
    WITHOUT_SEARCH,
    Clocks,
    arguments,
    fresh,
    kedro_run,
    one_thread,
    project_copy,
    spread,
    table,
    total,
)

Seconds = dict[str, float]
FEATURES = "feature_engineering"


def measure(every: int, params: list[str]) -> tuple[Seconds, Seconds, Seconds]:
    """Return CPU seconds of: the run; each contract; the feature pipeline after the raw tables."""
    with project_copy(every) as project:
        whole = Clocks()
        kedro_run(project, whole, params)
        process = time.process_time()
        features = Clocks()
        kedro_run(project, Clocks(), params, ["data_engineering"])
        kedro_run(project, features, params, [FEATURES])
    return (
        {
            "run": total(whole.cpu),
            "with start-up": process,
            "contracts": total(whole.cpu, "contract"),
        },
        {key[1]: seconds for key, seconds in whole.cpu.items() if key[0] == "contract"},
        {
            "all": total(features.cpu),
            **{kind: total(features.cpu, kind) for kind in ("node", "contract", "load", "save")},
        },
    )


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, rounds=3, every=1).parse_args(argv)
    one_thread()
    params = [WITHOUT_SEARCH, *options.params]
    runs = [fresh(measure, options.every, params) for _ in range(options.rounds)]
    whole = [run for run, _, _ in runs]
    table(
        f"Contracts in a whole run without search, CPU seconds ({options.rounds} rounds)",
        ["what", "median (least to most)"],
        [
            *((name, spread([run[name] for run in whole])) for name in whole[0]),
            ("contracts, % of the run", spread([100 * r["contracts"] / r["run"] for r in whole])),
        ],
    )
    each = Counter({name: statistics.median(c[name] for _, c, _ in runs) for name in runs[0][1]})
    table("The dearest contracts, CPU seconds", ["dataset", "median"], each.most_common(8))
    table(
        f"The pipeline {FEATURES}, CPU seconds",
        ["what", "median (least to most)"],
        [(name, spread([f[name] for _, _, f in runs])) for name in runs[0][2]],
    )


if __name__ == "__main__":
    main()
