"""What Kedro costs: `kedro run` against a plain script that calls the same functions.

    python -m benchmarks.kedro_overhead

Both run in one process and thread, in turns, after a warm-up of each (so imports are aside),
without search.
The plain script reads the raw files once, calls the functions in order, holds all data in a dict,
checks the same contracts and saves the same files once.
"""

import json
import statistics
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.measure import (
    WITHOUT_SEARCH,
    Clocks,
    arguments,
    fresh,
    kedro_run,
    nested,
    one_thread,
    project_copy,
    spread,
    table,
    total,
)

GIVEN = {
    "contracts",
    "feature_graph",
    "cleaning_graph",
}  # by the engine's hook, when the catalog is made
KINDS = {
    "node": "functions",
    "load": "loading",
    "contract": "contracts",
    "save": "saving",
    "rest": "configuration, hooks, runner",
}


@dataclass
class Script:
    """What a person would have written down: the functions in order, the files, the contracts."""

    nodes: list[Any]
    given: list[str]  # raw tables
    parameters: dict[str, Any]
    entries: dict[str, dict[str, Any]]  # the catalog, as written
    contracts: dict[str, Any]
    memory: list[str]  # outputs that Kedro doesn't save either


def as_script(project: Path, params: list[str]) -> Script:
    """Return the default pipeline as a plain list."""
    from kedro.framework.project import pipelines
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project
    from kedro.validation import resolve_validator

    bootstrap_project(project)
    with KedroSession.create(project_path=project, runtime_params=nested(params)) as session:
        context = session.load_context()
        catalog, pipeline = context.catalog, pipelines["__default__"]
        inputs = pipeline.inputs()
        specs = catalog.validator_specs
        entries = context.config_loader["catalog"]
        held = [name for name in inputs if name.startswith("param") or name in GIVEN]
        parameters = {name: catalog.load(name) for name in held}
        return Script(
            nodes=list(pipeline.nodes),
            given=sorted(inputs - set(parameters)),
            parameters=parameters,
            entries=entries,
            contracts={name: resolve_validator(spec) for name, spec in specs.items()},
            memory=[n for n, e in entries.items() if e["type"] == "MemoryDataset"],
        )


def save_skops(data: Any, path: Path, **options: Any) -> None:
    import skops.io

    skops.io.dump(data, path, **options)


SAVE: dict[str, Callable[..., Any]] = {
    "pandas.ParquetDataset": lambda data, path, **options: data.to_parquet(path, **options),
    "json.JSONDataset": lambda data, path, **_: path.write_text(json.dumps(data, indent=2)),
    "pickle.PickleDataset": save_skops,
}


def save(entry: dict[str, Any], data: Any, folder: Path) -> None:
    """Save data as a script would; types that are not listed, as their Kedro dataset does."""
    path = folder / Path(entry["filepath"]).name
    options = entry.get("save_args", {})
    if entry["type"] in SAVE:
        SAVE[entry["type"]](data, path, **options)
        return
    from kedro.io import AbstractDataset

    config = {k: v for k, v in entry.items() if k not in ("versioned", "validator", "metadata")}
    AbstractDataset.from_config("plain", {**config, "filepath": str(path)}).save(data)


def provenance(project: Path) -> dict[str, Any]:
    """Return what reporting is told of the run: here of the last one with Kedro."""
    kept = sorted(project.glob("data/08_reporting/run_manifest.json/*/*"))
    run = json.loads(kept[-1].read_text())
    files = {**run["inputs"], **run["outputs"]}
    return {"run": run["run"], "code": run["code"], "files": files, "kept": []}


def plain_run(script: Script, project: Path, clocks: Clocks) -> None:
    """Run the pipeline's functions without Kedro, and count as `kedro_run` does."""
    from kedro.io import AbstractDataset

    told = provenance(project)
    data = {**script.parameters, "provenance": told, "run_version": told["run"], "what_if": []}

    def checked(name: str, value: Any) -> Any:
        if name not in script.contracts:
            return value
        with clocks.time("contract", name):
            return script.contracts[name].validate(value)

    with tempfile.TemporaryDirectory() as folder, chdir(project), clocks.time("rest"):
        for name in set(script.given) - set(data):
            entry = script.entries[name]
            with clocks.time("load", name):
                if entry["type"] == "pandas.CSVDataset":
                    data[name] = pd.read_csv(entry["filepath"], **entry.get("load_args", {}))
                else:
                    data[name] = AbstractDataset.from_config(name, entry).load()
            data[name] = checked(name, data[name])
        for node in script.nodes:
            with clocks.time("node", node.namespace or "", node.name):
                outputs = node.run({name: data[name] for name in node.inputs})
            for name, value in outputs.items():
                data[name] = checked(name, value)
                if name in script.entries and name not in script.memory:
                    with clocks.time("save", name):
                        save(script.entries[name], value, Path(folder))


def measure(every: int, params: list[str], rounds: int) -> dict[str, list[Clocks]]:
    """Return the clocks of each round of both."""
    clocks: dict[str, list[Clocks]] = {"kedro": [], "script": []}
    with project_copy(every) as project:
        script = as_script(project, params)
        for round_ in range(1 + rounds):
            both = {way: Clocks() for way in clocks}
            kedro_run(project, both["kedro"], params)
            plain_run(script, project, both["script"])
            for way, clock in both.items():
                if round_:  # the first is the warm-up
                    clocks[way].append(clock)
    return clocks


def median(clocks: list[Clocks], *kinds: str) -> float:
    return statistics.median(total(c.cpu, *kinds) for c in clocks)


def main(argv: list[str] | None = None) -> None:
    options = arguments(__doc__, rounds=3, every=1).parse_args(argv)
    one_thread()
    params = [WITHOUT_SEARCH, *options.params]
    clocks = fresh(measure, options.every, params, options.rounds)
    kedro, script = clocks["kedro"], clocks["script"]
    rows = [(name, median(kedro, kind), median(script, kind)) for kind, name in KINDS.items()]
    rows.append(("all", median(kedro), median(script)))
    table(
        f"The default pipeline without search, CPU seconds (medians of {options.rounds})",
        ["what", "kedro run", "plain script", "difference"],
        [(*row, row[1] - row[2]) for row in rows],
    )
    # The functions are the same: how their times differ is the machine's noise.
    around = [
        total(k.cpu) - total(k.cpu, "node") - total(s.cpu) + total(s.cpu, "node")
        for k, s in zip(kedro, script, strict=True)
    ]
    pairs = list(zip(kedro, script, strict=True))
    table(
        "Kedro's share of the CPU seconds, %",
        ["counted", "median (least to most)"],
        [
            ("all", spread([100 * (1 - total(s.cpu) / total(k.cpu)) for k, s in pairs])),
            (
                "all but the functions, of all",
                spread([100 * a / total(k.cpu) for a, k in zip(around, kedro, strict=True)]),
            ),
        ],
    )
    loads = Counter(
        {key[1]: statistics.median(c.cpu[key] for c in kedro) for key in kedro[0].cpu
         if key[0] == "load"}
    )  # fmt: skip
    table(
        "What Kedro loads, the dearest first, CPU seconds",
        ["dataset", "loads", "all", "each"],
        [
            (name, n := kedro[0].calls["load", name], seconds, seconds / n)
            for name, seconds in loads.most_common(12)
        ],
    )
    functions = Counter(
        {"/".join(key[1:]): statistics.median(c.cpu[key] for c in kedro) for key in kedro[0].cpu
         if key[0] == "node"}
    )  # fmt: skip
    table("The dearest functions, CPU seconds", ["node", "median"], functions.most_common(10))


if __name__ == "__main__":
    main()
