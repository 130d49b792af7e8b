"""The tasks of the Airflow DAG as processes of their own, against one run in one process.

`kedro airflow create` renders the template from the same groups; neither it nor Airflow is needed.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import jinja2
import pytest

import preflight.hooks
from preflight.cli.reproduce import _difference
from preflight.evaluation.ledger import EvaluationLedger
from preflight.runs.manifest import LEDGER, read_manifest, versions_with_manifest

from late_flights.pipeline_registry import ON_DEMAND, RUN, register_pipelines

TEMPLATE = Path(preflight.hooks.__file__).with_name("airflow_dag.j2")
Kedro = Callable[..., subprocess.CompletedProcess[str]]


class Operator:
    """A task of Airflow: what it runs, and after which tasks."""

    def __init__(self, **given: Any) -> None:
        self.__dict__ |= given
        self.after: list[str] = []

    def __rshift__(self, other: "Operator") -> None:
        other.after.append(self.task_id)


class Dag:
    def __init__(self, **given: Any) -> None:
        self.given = given

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def tasks_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Operator]]:
    """Render a DAG into a project, as kedro-airflow 0.11 does, and return its tasks."""
    for name, what in {
        "airflow.sdk": {"DAG": Dag},
        "airflow.providers.standard.operators.bash": {"BashOperator": Operator},
    }.items():
        parts = name.split(".")
        for n in range(1, len(parts) + 1):
            monkeypatch.setitem(sys.modules, ".".join(parts[:n]), ModuleType(parts[n - 1]))
        vars(sys.modules[name]).update(what)

    def render(project: Path, pipeline: str = "__default__") -> dict[str, Operator]:
        loader = jinja2.FileSystemLoader(TEMPLATE.parent)
        environment = jinja2.Environment(autoescape=True, loader=loader, lstrip_blocks=True)
        environment.filters["slugify"] = lambda text: text.replace("_", "-")
        groups = register_pipelines()[pipeline].group_nodes_by(group_by="namespace")
        file = project / "airflow_dags/late_flights_dag.py"
        file.parent.mkdir(exist_ok=True)
        template = environment.get_template(TEMPLATE.name)
        named = {"dag_name": "late_flights", "pipeline_name": pipeline, "node_objs": groups}
        file.write_text(template.render(named))
        found: dict[str, Any] = {"__file__": str(file)}
        exec(compile(file.read_text(), file, "exec"), found)
        tasks: dict[str, Operator] = found["tasks"]
        return tasks

    return render


def test_the_generated_tasks_are_the_stages_in_their_order(
    tasks_of: Callable[..., dict[str, Operator]], tmp_path: Path
) -> None:
    tasks = tasks_of(tmp_path)
    order = [*TopologicalSorter({name: task.after for name, task in tasks.items()}).static_order()]
    assert order == [stage.__name__.rpartition(".")[2] for stage in RUN]
    stages, whole = register_pipelines(), set()
    for name, task in tasks.items():
        assert task.cwd == str(tmp_path)
        assert task.bash_command == f".venv/bin/python -m kedro run --pipelines {name}"
        whole |= {*stages[name].nodes}
    assert whole == {*stages["__default__"].nodes}
    for stage in ON_DEMAND:  # runs of their own
        name = stage.__name__.rpartition(".")[2]
        (task,) = tasks_of(tmp_path, name).values()
        assert (task.task_id, task.env) == (name, {})


class Orchestrator:
    """Runs tasks as Airflow does, each in a process of its own."""

    def __init__(self, project: Path, tasks: dict[str, Operator]) -> None:
        self.project, self.tasks = project, tasks
        after = {name: task.after for name, task in tasks.items()}
        self.order = [*TopologicalSorter(after).static_order()]
        dag_run = SimpleNamespace(run_after=datetime.now(UTC))
        text = next(iter(tasks.values())).env["PREFLIGHT_RUN"]
        self.run = jinja2.Template(text).render(dag_run=dag_run)

    def start(self, name: str) -> subprocess.Popen[str]:
        task = self.tasks[name]
        command = task.bash_command.replace(".venv/bin/python", sys.executable)
        return subprocess.Popen(
            command.split(),
            cwd=task.cwd,
            env={**os.environ, **task.env, "PREFLIGHT_RUN": self.run},
            stderr=subprocess.PIPE,
            text=True,
        )

    def fails(self, name: str) -> str:
        process = self.start(name)
        _, message = process.communicate()
        assert process.returncode
        return message

    def succeeds(self, *names: str) -> None:
        for name in names:
            process = self.start(name)
            _, message = process.communicate()
            assert process.returncode == 0, message

    def is_killed_in(self, name: str) -> None:
        process = self.start(name)
        while process.poll() is None and name not in self.states:
            time.sleep(0.05)
        process.kill()
        process.communicate()
        assert self.states[name] == "unfinished"

    @property
    def states(self) -> dict[str, str]:
        manifest = read_manifest(self.project, self.run)
        return {part["stage"]: part["status"] for part in manifest["parts"]}


def test_the_tasks_of_a_run_give_what_one_process_gives(
    finished_copy: Path, kedro: Kedro, tasks_of: Callable[..., dict[str, Operator]]
) -> None:
    """With a stage that fails, one that is killed, and another run in between."""
    where = finished_copy
    (plain,) = versions_with_manifest(where)
    airflow = Orchestrator(where, tasks_of(where))
    run = airflow.run
    airflow.succeeds("data_engineering")
    message = airflow.fails("modeling")
    assert "feature_engineering has not run. Run that stage first, as a task of" in message
    assert "Traceback" not in message
    airflow.succeeds("feature_engineering")

    early = '{"framing": {"split": {"test_from": "2013-02-09T00:00:00-05:00"}}}'
    (where / "other.json").write_text(f'{{"run": {{"params": {early}}}}}')
    stages = "data_engineering,feature_engineering"
    other = kedro(where, "run", "--pipelines", stages, "--config", "other.json")
    assert other.returncode == 0, other.stderr
    newer = versions_with_manifest(where)[-1]
    assert newer > run

    airflow.is_killed_in("audit")
    assert "audit is running, or was killed. Run that stage first" in airflow.fails("modeling")
    airflow.succeeds("audit")
    models, aside = where / "data/06_models/candidate.skops", where / "aside"
    models.rename(aside)
    models.write_text("")  # no version can be saved below a file
    assert "candidate" in airflow.fails("modeling")
    assert airflow.states["modeling"] == "failed"
    models.unlink()
    aside.rename(models)
    assert "yet: modeling failed: " in airflow.fails("evaluation")
    airflow.succeeds(*airflow.order[airflow.order.index("modeling") :])

    made, before = read_manifest(where, run), read_manifest(where, plain)
    assert (made["status"], made["pipelines"], made["what_if"]) == ("done", [], [])
    assert made["inputs"] == before["inputs"]
    assert made["outputs"].keys() == before["outputs"].keys()
    assert made["nodes"].keys() == before["nodes"].keys()
    versions = {file["version"] for file in made["outputs"].values()}
    assert versions == {run}
    differences = {
        name: _difference(name, file, made["outputs"][name], where, where)
        for name, file in before["outputs"].items()
    }
    assert {name: why for name, why in differences.items() if why} == {}
    assert [one["run"] for one in EvaluationLedger(str(where / LEDGER)).load()] == [plain]

    done = kedro(where, "reproduce", run, PREFLIGHT_RUN=run)
    assert done.returncode == 0, done.stdout + done.stderr
    anyway = "deployment.override.by=Ada,deployment.override.reason=a test"
    deploy = ["run", "--pipelines", "deployment", "--params", anyway]
    done = kedro(where, *deploy, PREFLIGHT_RUN=run)
    assert done.returncode == 0, done.stderr
    assert f"PROMOTED  {run} is the champion." in done.stderr
    pointer = json.loads((where / "data/06_models/champion.json").read_text())
    assert pointer["champions"][-1]["run"] == run
