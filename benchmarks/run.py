"""A whole `kedro run` as a user starts it: wall and CPU seconds, and the most memory.

    python -m benchmarks.run             (without search)
    python -m benchmarks.run --search    (with the search as configured)

Each round is a process of its own, start-up included.
"""

import os
import subprocess
import sys
import time

from benchmarks.measure import WITHOUT_SEARCH, arguments, project_copy, spread, table

Cost = tuple[float, float, float]


def measure(every: int, params: list[str]) -> Cost:
    """Return wall and CPU seconds and the peak in MB of one run, start-up included."""
    command = [sys.executable, "-m", "kedro", "run"]
    if params:
        command += ["--params", ",".join(params)]
    with project_copy(every) as project, (project / "log").open("w+") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=project, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # or it would be waited for again
        wall = time.perf_counter() - began
        if process.returncode:
            log.seek(0)
            sys.exit(log.read())
    per_mb = 1024 * 1024 if sys.platform == "darwin" else 1024
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / per_mb


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, rounds=3, every=1)
    parser.add_argument("--search", action="store_true", help="with the search as configured")
    options = parser.parse_args(argv)
    params = [*([] if options.search else [WITHOUT_SEARCH]), *options.params]
    costs = [measure(options.every, params) for _ in range(options.rounds)]
    wall, cpu, peak = zip(*costs, strict=True)
    table(
        f"kedro run {'with' if options.search else 'without'} search ({options.rounds} rounds)",
        ["what", "median (least to most)"],
        [
            ("wall, s", spread(wall)),
            ("CPU, s", spread(cpu)),
            ("CPU seconds per second", spread([c / w for c, w in zip(cpu, wall, strict=True)])),
            ("peak memory, GB", spread([mb / 1024 for mb in peak])),
        ],
    )


if __name__ == "__main__":
    main()
