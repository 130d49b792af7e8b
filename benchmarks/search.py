"""The search with one worker and with two, and without giving up trials; one thread a worker.

    python -m benchmarks.search

All make the same number of trials on the same examples, from scratch, in a copy of the project. A
search that gives up trials goes on elsewhere than one that doesn't: compared are the best values,
beside the interval of what the best gains over the declared parameters.
"""

import json
import statistics
from typing import Any

from benchmarks.measure import (
    PREPARE,
    Clocks,
    arguments,
    fresh,
    kedro_run,
    one_thread,
    project_copy,
    table,
)

KINDS = {
    "one worker": {},
    "two workers": {"workers": 2},
    "one worker, no trial given up": {"prune": "false"},
}
Found = tuple[float, dict[str, Any]]


def searched(every: int, trials: int, seed: int, kind: str) -> Found:
    """Return the wall seconds of the search node, and what it has found."""
    with project_copy(every) as project:
        kedro_run(project, Clocks(), [], PREPARE)
        clocks = Clocks()
        settings = {"trials": trials, **KINDS[kind]}
        search = [f"modeling.search.{name}={value}" for name, value in settings.items()]
        kedro_run(project, clocks, [*search, f"modeling.seed={seed}"], ["modeling"])
        best = json.loads(next(project.glob("data/*/best_params.json/*/*")).read_text())
        return clocks.wall["node", "modeling", "modeling.search_parameters"], best


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=1, every=1, trials=12, seed=2013)
    options = parser.parse_args(argv)
    one_thread()
    found: dict[str, list[Found]] = {kind: [] for kind in KINDS}
    for number in range(options.rounds):
        for kind, some in found.items():
            given = (options.every, options.trials, options.seed + number, kind)
            some.append(fresh(searched, *given))
    taken = {kind: [seconds for seconds, _ in some] for kind, some in found.items()}
    of = {
        kind: statistics.median(a / b for a, b in zip(taken["one worker"], some, strict=True))
        for kind, some in taken.items()
    }
    table(
        f"{options.trials} trials (medians of {options.rounds})",
        [
            "search",
            "wall s",
            "times as long as one worker",
            "best value (costs' currency per 1,000)",
            "width of its gain's interval (the same)",
        ],
        [
            (
                kind,
                statistics.median(taken[kind]),
                1 / of[kind],
                statistics.median(best["value"] for _, best in some),
                statistics.median(_width(best) for _, best in some),
            )
            for kind, some in found.items()
        ],
    )


def _width(best: dict[str, Any]) -> float:
    """Return how wide the interval of the gain is, per 1,000."""
    gain = best["gain"] or {}
    return float("nan") if gain.get("low") is None else gain["high"] - gain["low"]


if __name__ == "__main__":
    main()
