"""Compare the shipped example's results with those recorded in goldens.json.

`python tests/goldens.py check` runs the pipeline and compares; `record` renews the file, which is
only done with a change that is meant to change results. `--trials 0` is the run without a search,
a third of the time; `--no-run` reads the results of the newest run.

Features, splits and the candidate's predictions are compared by hash. Baselines' predictions and
metrics are compared to 1e-9, since logistic regression differs in its last bits between
processors. It differs more with the number of threads, so two are used. What is measured by the
clock is left out.
"""

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

PROJECT = Path(__file__).resolve().parents[2]
GOLDENS = Path(__file__).with_name("goldens.json")
HASHED = ["features", "train", "validation", "test"]
RENAMED = {  # a key of today's results: its name in goldens.json
    "current": "now",
    "message": "says",
    "required": "least",
    "target": "wanted",
}
TIMED = ["p99_ms", "rows_per_second", "cost_per_1000"]
THREADS = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "2")


def hash_table(table: pd.DataFrame) -> str:
    """Return a hash of the values, names and types of all columns, in their order."""
    values = pd.util.hash_pandas_object(table.reset_index(drop=True), index=False)
    types = [(name, str(dtype)) for name, dtype in table.dtypes.items()]
    return hashlib.sha256(values.to_numpy().tobytes() + repr(types).encode()).hexdigest()


def summarize(column: "pd.Series[Any]") -> dict[str, Any]:
    """Return sums and every 5,000th value: two columns that agree in them are the same."""
    values = column.astype("float64")
    return {
        "sum": values.sum(),
        "squares": (values**2).sum(),
        "some": values.iloc[::5000].tolist(),
    }


def flatten(value: Any, path: str = "") -> dict[str, Any]:
    """Return each leaf of nested dictionaries and lists by its path."""
    if not isinstance(value, dict | list):
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {
        leaf: found
        for key, one in items
        for leaf, found in flatten(one, f"{path}/{RENAMED.get(str(key), key)}").items()
    }


def read_results() -> dict[str, Any]:
    """Return what is compared, of the newest versions in the project's data."""
    bootstrap_project(PROJECT)
    with KedroSession.create(PROJECT) as session:
        catalog = session.load_context().catalog
        predictions = catalog.load("test_predictions")
        of_baselines = predictions.filter(regex="^(probability|act)_").columns
        verdict = catalog.load("verdict")
        verdict = verdict if isinstance(verdict, dict) else verdict.model_dump(mode="json")
        limits = [limit for limit in verdict["limits"] if limit["name"] not in TIMED]
        checks = [check for check in verdict["checks"] if check["name"] != "test evaluations"]
        verdict |= {"limits": limits, "checks": checks}
        del verdict["test_set"]  # depends on what was evaluated before
        hashes = {name: hash_table(catalog.load(name)) for name in HASHED}
        hashes["test_predictions"] = hash_table(predictions.drop(columns=of_baselines))
        return {
            "hashes": hashes,
            "baselines": flatten({name: summarize(predictions[name]) for name in of_baselines}),
            "metrics": flatten(catalog.load("metrics")),
            "verdict": flatten(verdict),
        }


def differences(golden: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return one line for each value that is not as recorded; numbers may differ by 1e-9."""
    lines = []
    for part, values in golden.items():
        for key in sorted({*values, *found[part]}):
            old, new = values.get(key), found[part].get(key)
            close = isinstance(old, float) and isinstance(new, float)
            if not (close and math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-12)) and old != new:
                lines.append(f"{part} {key}: {old!r} is now {new!r}")
    return lines


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("do", choices=["check", "record"])
    parser.add_argument("--trials", type=int)
    parser.add_argument("--no-run", action="store_true")
    asked = parser.parse_args()
    kind = "shipped" if asked.trials is None else f"{asked.trials} trials"
    params = [] if asked.trials is None else ["--params", f"modeling.search.trials={asked.trials}"]
    if not asked.no_run:
        command = [sys.executable, "-m", "kedro", "run", *params]
        subprocess.run(command, cwd=PROJECT, env=os.environ | THREADS, check=True)
    goldens = json.loads(GOLDENS.read_text()) if GOLDENS.exists() else {}
    found = json.loads(json.dumps(read_results(), default=str))
    if asked.do == "record":
        GOLDENS.write_text(json.dumps(goldens | {kind: found}, indent=1, sort_keys=True) + "\n")
        return 0
    lines = differences(goldens[kind], found)
    said = "\n".join(lines) or f"goldens ({kind}): the same {', '.join(found)}"
    sys.stdout.write(said + "\n")
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main())
