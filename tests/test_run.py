"""The default run on few rows: it ends with a verdict and a report."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from preflight.runs.raw_files import accept

PROJECT = Path(__file__).parents[1]
QUICK = {  # no search, few samples
    "audit": {"moments": 5},
    "modeling": {"search": {"trials": 0, "earlier_folds": []}},
    "evaluation": {"replicates": 200, "importance_rows": 500},
}


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    small_raw: dict[str, pd.DataFrame],
    small_params: dict[str, Any],
) -> Path:
    """The folder of the results of a run in a copy of the project."""
    project = tmp_path_factory.mktemp("run") / "project"
    for name in ("src", "conf", "data/01_raw"):
        ignored = shutil.ignore_patterns("local", "__pycache__")
        shutil.copytree(PROJECT / name, project / name, ignore=ignored)
    (project / "conf/local").mkdir()
    shutil.copy(PROJECT / "pyproject.toml", project)
    for name, table in small_raw.items():
        table.to_csv(project / "data/01_raw" / name, index=False)
    accept(project / "data/01_raw")
    bootstrap_project(project)
    with KedroSession.create(project, runtime_params=QUICK | small_params) as session:
        session.run()
    return project / "data/08_reporting"


def test_it_ends_with_a_verdict_and_a_report(run: Path) -> None:
    (verdict,) = run.glob("verdict.json/*/verdict.json")
    decided = json.loads(verdict.read_text(encoding="utf-8"))
    assert decided["decision"] in {"ship", "hold"}
    if "reporting" in pipelines:  # a stage that can be left out
        (report,) = run.glob("report.html/*/report.html")
        assert decided["decision"] in report.read_text(encoding="utf-8").lower()


@pytest.mark.usefixtures("run")
def test_what_was_fitted_and_selected_never_saw_the_test_set() -> None:
    fitted = pipelines["__default__"].to_outputs("candidate", "baselines", "selection")
    readers = {
        part: [n.name for n in fitted.nodes if part in n.inputs] for part in ("train", "test")
    }
    assert readers["train"]
    assert readers["test"] == []
