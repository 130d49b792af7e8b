"""What monitoring takes for the log of a year: seconds of each step, and the most memory.

    python -m benchmarks.monitoring_year

The log is made of the example's year, `--copies` times a minute apart, 364 days later, so that all
models were fitted before; twice is 56,000 decisions a month. The champion is fitted on half of the
labels, the challenger on all, and both score every row. Each round is
`kedro run --pipelines monitoring` in a process of its own, its imports included. `--every N` takes
each N-th flight, for a quick look.
"""

import contextlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.config import OmegaConfigLoader

from preflight.deployment.champion import POINTER, champion_record, promote
from preflight.errors import AlarmError
from preflight.inference.predict import log_predictions, predict_upcoming
from preflight.inference.prediction_log import PredictionLog
from preflight.modeling import skops_file
from preflight.modeling.model import Bundle, predict_and_decide
from preflight.modeling.parameters import Modeling
from preflight.modeling.training import fit_baselines, make_bundle
from preflight.problem.framing import Framing
from preflight.runs.manifest import manifest_path, read_manifest, versions_with_manifest
from preflight.runs.raw_files import hash_file

from late_flights.contracts.features import Features

from benchmarks.measure import (
    Clocks,
    Key,
    arguments,
    fresh,
    kedro_run,
    peak_mb,
    project_copy,
    spread,
    table,
)

LATER = pd.Timedelta(days=364)  # weekdays fit
LOG = "data/07_model_output/prediction_log"
CONTRACT = "late_flights.contracts.derived.PredictionLog"
CONTRACTS = {"features": Features}
TESTED = 60_000  # of the last examples: the test of the champion
Cost = tuple[Counter[Key], Counter[Key], float, float, float]  # wall, CPU by step; both, MB


def make_year(project: Path, copies: int, params: list[str]) -> int:
    """Write a year of features and labels, its log and models, and return the number of rows."""
    kedro_run(project, Clocks(), params, ["data_engineering", "feature_engineering"])
    loader = OmegaConfigLoader(str(project / "conf"), base_env="base", default_run_env="local")
    framing = Framing.model_validate(loader["parameters"]["framing"])
    modeling = Modeling.model_validate(loader["parameters"]["modeling"])
    files = [next(project.glob(f"data/*/{name}.parquet/*/*")) for name in ("features", "labels")]
    features, labels = map(pd.read_parquet, files)
    examples = pd.concat([features, labels[["label", "label_known_at"]]], axis=1)
    examples = examples[examples["label"].notna()].sort_values("predict_at", kind="stable")
    champion = promote_champion(project, examples, framing, modeling)
    year = later(features, copies)
    for file, rows in zip(files, (year, later(labels, copies)), strict=True):
        rows.to_parquet(file)
    log = PredictionLog(str(project / LOG), CONTRACT)
    for _, rows in year.groupby(year["predict_at"].dt.strftime("%Y-%m")):
        due = rows.assign(moment=rows["predict_at"], lacks="").reset_index(drop=True)
        answers = predict_upcoming(champion, due, framing, CONTRACTS)
        log.save(log_predictions(due, answers, framing, CONTRACTS))
    return len(year)


def later(rows: pd.DataFrame, copies: int) -> pd.DataFrame:
    """Return rows `copies` times, a year and some minutes later, as other decisions."""
    moments = rows.select_dtypes("datetimetz")
    by = [LATER + pd.Timedelta(minutes=i) for i in range(copies)]
    year = pd.concat([rows.assign(**(moments + later)) for later in by])
    return year.sort_values("scheduled_departure", kind="stable", ignore_index=True)


def promote_champion(
    project: Path, examples: pd.DataFrame, framing: Framing, modeling: Modeling
) -> Bundle:
    """Make a model the champion, as if it was evaluated, save a newer one, and return the first."""
    version = versions_with_manifest(project)[-1]
    spec, half = next(iter(modeling.candidates.values())), examples[: len(examples) // 2]
    champion, challenger = (make_bundle(spec, e, framing, Features) for e in (half, examples))
    baselines = fit_baselines(half, framing, modeling, CONTRACTS)
    test = examples[-TESTED:]
    of_all = {"": champion, **{f"_{name}": model for name, model in baselines.items()}}
    predicted = {
        f"{column}{suffix}": values
        for suffix, model in of_all.items()
        for column, values in predict_and_decide(model, test).items()
    }
    folders = {"candidate.skops": "06_models", "challenger.skops": "06_models"}
    folders |= {"test_predictions.parquet": "05_model_input"}
    paths = [project / "data" / folder / name / version / name for name, folder in folders.items()]
    for path, model in zip(paths[:2], (champion, challenger), strict=True):
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            skops_file.dump(model, file)
    paths[2].parent.mkdir(parents=True)
    key = [*Features.grain(), "predict_at", "label"]
    test[key].assign(**predicted).to_parquet(paths[2])
    run = read_manifest(project, version)
    run["outputs"] |= {path.stem: record(project, path) for path in (paths[0], paths[2])}
    manifest_path(project, version).write_text(json.dumps(run))
    promote(project / POINTER, champion_record(run["outputs"]["candidate"], version))
    champion["provenance"]["version"] = version
    return champion


def record(project: Path, path: Path) -> dict[str, Any]:
    """Return the record of a versioned file, as a manifest has it."""
    return {
        "path": path.relative_to(project).as_posix(),
        "version": path.parent.name,
        "bytes": path.stat().st_size,
        "sha256": hash_file(path),
    }


def measure(project: Path, params: list[str], began: float) -> Cost:
    """Return wall and CPU seconds of each step of a run, those of the whole process, and its MB."""
    clocks = Clocks()
    with contextlib.suppress(AlarmError):  # all is done by then
        kedro_run(project, clocks, params, ["monitoring"])
    return clocks.wall, clocks.cpu, time.time() - began, time.process_time(), peak_mb()


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, rounds=3, every=1, copies=2).parse_args(argv)
    with project_copy(options.every) as project:
        rows = fresh(make_year, project, options.copies, options.params)
        files = [*(project / LOG).rglob("*.parquet")]
        size = sum(file.stat().st_size for file in files) / 2**20
        costs: list[Cost] = [
            fresh(measure, project, options.params, time.time()) for _ in range(options.rounds)
        ]
    steps = sorted({step for cost in costs for step in cost[0]}, key=lambda s: -costs[0][0][s])
    shown = [step for step in steps if max(cost[0][step] for cost in costs) >= 0.1]
    table(
        f"Monitoring of {rows:,} decisions in {len(files)} files of {size:.0f} MB, "
        f"medians of {options.rounds} (least to most)",
        ["step", "wall s", "CPU s"],
        [
            *((" ".join(s), *(spread([c[i][s] for c in costs]) for i in (0, 1))) for s in shown),
            ("all, with start-up", *(spread([cost[i] for cost in costs]) for i in (2, 3))),
        ],
    )
    print(f"\nPeak memory: {spread([cost[4] for cost in costs])} MB")


if __name__ == "__main__":
    main()
