"""The search with one worker and with two, each with one thread.

    python -m benchmarks.search

Both make the same number of trials on the same examples, from scratch, in a copy of the project.
"""

import statistics

from benchmarks.measure import Clocks, arguments, fresh, kedro_run, one_thread, project_copy, table

PREPARE = ["data_engineering", "feature_engineering", "audit"]


def seconds(every: int, workers: int, trials: int) -> float:
    """Return the wall seconds of the search node."""
    with project_copy(every) as project:
        kedro_run(project, Clocks(), [], PREPARE)
        clocks = Clocks()
        search = [f"modeling.search.trials={trials}", f"modeling.search.workers={workers}"]
        kedro_run(project, clocks, search, ["modeling"])
        return clocks.wall["node", "modeling", "modeling.search"]


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=1, every=1)
    parser.add_argument("--trials", type=int, default=8)
    options = parser.parse_args(argv)
    one_thread()
    found: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(options.rounds):
        for workers, taken in found.items():
            taken.append(fresh(seconds, options.every, workers, options.trials))
    one, two = (statistics.median(taken) for taken in found.values())
    table(
        f"{options.trials} trials (median of {options.rounds})",
        ["workers", "wall s", "of one worker's"],
        [(1, one, 1.0), (2, two, two / one)],
    )


if __name__ == "__main__":
    main()
