"""What a run costs before its first node: CPU seconds, next to a bare Kedro project.

    python -m benchmarks.startup

The bare project has one node, and imports pandas and pandera as every contract does. Both are
started anew each time, in turns; the clock is read where the first node would begin.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 5
FILES = {
    "pyproject.toml": """\
[tool.kedro]
package_name = "bare"
project_name = "Bare"
kedro_init_version = "1.7.0"
source_dir = "src"
""",
    "conf/base/catalog.yml": "a: {type: pandas.CSVDataset, filepath: data/a.csv}\n",
    "conf/local/catalog.yml": "",
    "data/a.csv": "x\n1\n",
    "src/bare/__init__.py": "",
    "src/bare/settings.py": "",
    "src/bare/pipeline_registry.py": """\
import pandas as pd
import pandera.pandas as pa
from kedro.pipeline import Node, Pipeline


def register_pipelines():
    return {"__default__": Pipeline([Node(len, "a", "b", name="count")])}
""",
}
TO_FIRST_NODE = """\
import os, sys, time
from kedro.pipeline.node import Node
from kedro.framework.cli.cli import main

def run(*_, **__):
    print("CPU", time.process_time(), flush=True)
    os._exit(0)

Node.run = run
sys.argv = ["kedro", "run", *sys.argv[1:]]
main()
"""


def seconds(project: Path, *arguments: str) -> float:
    """Return the CPU seconds of `kedro run` up to its first node."""
    done = subprocess.run(
        [sys.executable, "-c", TO_FIRST_NODE, *arguments],
        cwd=project,
        env=os.environ | {"KEDRO_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(next(line for line in done.stdout.splitlines() if line.startswith("CPU"))[4:])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder)
        for name, text in FILES.items():
            (bare / name).parent.mkdir(parents=True, exist_ok=True)
            (bare / name).write_text(text)
        runs = {
            "a bare project": (bare,),
            "data_engineering": (Path.cwd(), "--pipelines", "data_engineering"),
            "all stages": (Path.cwd(),),
        }
        found: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, (project, *arguments) in runs.items():
                found[name].append(seconds(project, *arguments))
    print("CPU seconds before the first node, median (lowest to highest)")
    for name, times in found.items():
        print(f"{name:18} {statistics.median(times):.2f} ({min(times):.2f} to {max(times):.2f})")


if __name__ == "__main__":
    main()
