"""Stages of one run in separate tasks, on a graph of three: clean, fit, score."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, DatasetError
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from preflight.errors import RunError
from preflight.hooks.manifest import FILTERS, ManifestHooks
from preflight.hooks.tasks import NODES
from preflight.hooks.versions import VersionHooks
from preflight.runs.manifest import RUN_MANIFEST, read_manifest

RUN, OTHER = "2013-01-02T00.00.00.000Z", "2013-01-03T00.00.00.000Z"
Document = dict[str, Any]


def count(raw: Document) -> Document:
    return {"rows": raw["rows"]}


def fit(table: Document) -> Document:
    return {"weight": 2 * table["rows"]}


def check(model: Document) -> Document:
    if model["weight"] > 100:
        raise ValueError("the model is too heavy")
    return model


def score(model: Document, table: Document) -> Document:
    return {"score": model["weight"] + table["rows"]}


def stage(name: str, *nodes: Node) -> Pipeline:
    return Pipeline(nodes, namespace=name, prefix_datasets_with_namespace=False)


STAGES = {
    "clean": stage("clean", Node(count, "raw", "table", name="count")),
    "fit": stage(
        "fit",
        Node(fit, "table", "model", name="fit"),
        Node(check, "model", "checked", name="check"),
    ),
    "score": stage("score", Node(score, ["checked", "table"], "result", name="score")),
}
USE = stage("use", Node(score, ["model", "table"], "answer", name="use"))
PIPELINES = STAGES | {"use": USE, "__default__": sum(STAGES.values(), Pipeline([]))}
MADE = ("table", "model", "checked", "result", "answer")


class Project:
    """A project on disk; `run` does what a process with `kedro run` does."""

    def __init__(self, path: Path, setenv: Callable[[str, str], None]) -> None:
        self.path, self._setenv, self._number = path, setenv, 0
        self.params: Document = {}
        self.give(rows=7)

    def give(self, **raw: int) -> None:
        (self.path / "raw.json").write_text(json.dumps(raw))

    def run(self, *stages: str, run: str = RUN, **options: Any) -> str:
        """Run stages in a session of its own, as a task of a run; return the version."""
        self._setenv("PREFLIGHT_RUN", run)
        self._number += 1
        session = f"2013-02-01T00.00.{self._number:02}.000Z"
        one = {"type": "json.JSONDataset"}
        entries = {name: one | {"filepath": f"{self.path}/{name}.json"} for name in ("raw", *MADE)}
        for name in MADE:
            entries[name]["versioned"] = True
        entries["run_manifest"] = one | {"filepath": f"{self.path / RUN_MANIFEST}"}
        entries["run_manifest"]["versioned"] = True
        given = options.get("load_versions") or {}
        catalog = DataCatalog.from_config(entries, load_versions=given, save_version=session)
        named: Document = {"run_id": session, "pipeline_names": [*stages] or None}
        params = named | {"only_missing_outputs": False} | dict.fromkeys(FILTERS) | options
        pipeline = sum((PIPELINES[name] for name in stages or ["__default__"]), Pipeline([]))
        self._run(params, pipeline, catalog)
        return str(params["run_id"])

    def _run(self, params: Document, pipeline: Pipeline, catalog: DataCatalog) -> None:
        manager = _create_hook_manager()
        for hook in (ManifestHooks(), VersionHooks()):
            manager.register(hook)
        settings = {"params": self.params, "config_loader": {"catalog": {}}}
        context = SimpleNamespace(project_path=self.path, **settings)
        manager.hook.after_context_created(context=context)
        given = {"run_params": params, "pipeline": pipeline, "catalog": catalog}
        manager.hook.before_pipeline_run(**given)
        try:
            SequentialRunner().run(pipeline, catalog, manager)
        except Exception as error:
            manager.hook.on_pipeline_error(error=error, **given)
            raise
        manager.hook.after_pipeline_run(run_result={}, **given)

    def read(self, name: str, version: str = RUN) -> Any:
        return json.loads((self.path / f"{name}.json" / version / f"{name}.json").read_text())

    @property
    def manifest(self) -> Document:
        return read_manifest(self.path, RUN)

    @property
    def states(self) -> dict[str, str]:
        return {part["stage"]: part["status"] for part in self.manifest["parts"]}


def install(monkeypatch: pytest.MonkeyPatch, **packages: str) -> None:
    found = [SimpleNamespace(name=name, version=version) for name, version in packages.items()]
    monkeypatch.setattr("preflight.runs.manifest.distributions", lambda: found)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    for module in ("versions", "tasks", "messages"):
        monkeypatch.setattr(f"preflight.hooks.{module}.pipelines", PIPELINES)
    monkeypatch.setattr("preflight.runs.what_if.find_what_ifs", lambda *_: [])
    install(monkeypatch, pandas="3.1.0")  # to list what is installed takes long
    return Project(tmp_path, monkeypatch.setenv)


def test_stages_in_tasks_give_the_manifest_and_the_files_of_one_process(project: Project) -> None:
    for name in STAGES:
        assert project.run(name) == RUN
    tasks = project.manifest
    whole = read_manifest(project.path, project.run(run=""))
    assert (tasks["status"], tasks["error"], tasks["pipelines"]) == ("done", None, [])
    assert tasks["inputs"] == whole["inputs"]
    assert tasks["outputs"].keys() == whole["outputs"].keys()
    for name, file in tasks["outputs"].items():
        assert file["version"] == RUN
        assert file["sha256"] == whole["outputs"][name]["sha256"]
    assert tasks["nodes"].keys() == whole["nodes"].keys()
    parts = {part["stage"]: part for part in tasks["parts"]}
    assert [*parts] == [*STAGES]
    assert [*parts["fit"]["inputs"]] == ["table"]
    assert [*parts["fit"]["outputs"]] == ["checked", "model"]
    assert [*parts["fit"]["nodes"]] == ["fit.fit", "fit.check"]
    assert whole["parts"] == []
    same = ("code", "packages", "python", "platform", "parameters", "catalog", "contracts")
    assert {name: tasks[name] for name in same} == {name: whole[name] for name in same}


def test_the_pipelines_of_a_run_are_those_of_its_tasks(project: Project) -> None:
    project.run("clean")
    assert project.manifest["pipelines"] == ["clean"]
    project.run("fit")
    assert project.manifest["pipelines"] == ["clean", "fit"]


def test_a_task_reads_its_run_though_another_run_wrote_newer_versions(project: Project) -> None:
    project.run("clean")
    project.give(rows=8)
    newer = project.run("clean", "fit", run="")
    project.give(rows=7)
    project.run("fit")
    project.run("score")
    assert project.read("model", newer) == {"weight": 16}
    assert project.read("model") == {"weight": 14}
    assert project.read("result") == {"score": 21}
    answered = project.run("use")
    assert answered > newer  # a stage outside the default pipeline is a run of its own
    assert project.read("answer", answered) == {"score": 21}
    assert "answer" not in project.manifest["outputs"]
    project.run("use", run="")
    (_, last) = sorted(path.name for path in (project.path / "answer.json").iterdir())
    assert project.read("answer", last) == {"score": 24}


def refused(project: Project, *stages: str, **options: Any) -> str:
    before = {path: path.read_bytes() for path in project.path.rglob("*.json") if path.is_file()}
    with pytest.raises(RunError) as error:
        project.run(*stages, **options)
    after = {path: path.read_bytes() for path in project.path.rglob("*.json") if path.is_file()}
    assert after == before  # nothing is written, and nothing is removed
    return str(error.value)


def test_a_task_before_its_predecessor_names_the_stage_to_run_first(project: Project) -> None:
    older = project.run(run="")
    message = refused(project, "score")
    assert f"Run {RUN} (PREFLIGHT_RUN) has not made 'checked', 'table' yet" in message
    assert "clean has not run. Run that stage first, as a task of the same run: " in message
    assert f"PREFLIGHT_RUN={RUN} kedro run --pipelines clean." in message
    assert "has not made 'model', 'table' yet: clean has not run." in refused(project, "use")

    project.run("clean")
    assert "has not made 'checked' yet: fit has not run." in refused(project, "score")
    project.run("use")  # reads the newest model: this run began no stage that makes one
    given = {"checked": older}
    project.run("score", load_versions=given)
    assert project.manifest["inputs"]["checked"]["version"] == older
    assert project.manifest["filters"] == {}
    assert project.manifest["pipelines"] == ["clean", "score"]


def test_a_stage_that_failed_is_repeated_in_the_same_run(project: Project) -> None:
    project.give(rows=60)
    project.run("clean")
    with pytest.raises(ValueError, match="too heavy"):
        project.run("fit")
    left = project.manifest
    assert (left["status"], left["error"]) == (
        "failed",
        "fit failed: ValueError('the model is too heavy')",
    )
    assert project.states == {"clean": "done", "fit": "failed"}
    assert project.read("model") == {"weight": 120}
    for name in ("score", "use"):  # no task reads what a failed stage left
        assert "yet: fit failed: ValueError" in refused(project, name)

    project.give(rows=7)
    project.run("clean")
    project.run("fit")  # Kedro alone would refuse to replace the model
    assert project.states == {"clean": "done", "fit": "done"}
    assert (project.read("model"), project.manifest["error"]) == ({"weight": 14}, None)


def test_stages_of_one_task_are_repeated_one_by_one(project: Project) -> None:
    project.give(rows=60)
    with pytest.raises(ValueError, match="too heavy"):
        project.run("clean", "fit")
    assert project.states == {"clean": "done", "fit": "failed"}
    assert "table" in project.manifest["outputs"]


def test_a_stage_whose_last_result_is_not_saved_has_failed(project: Project) -> None:
    (project.path / "checked.json").write_text("")  # no version can be saved below a file
    with pytest.raises(DatasetError, match="already exists"):
        project.run("clean", "fit")
    assert project.states == {"clean": "done", "fit": "failed"}
    assert {*project.manifest["nodes"]} == {"clean.count", "fit.fit", "fit.check"}
    (project.path / "checked.json").unlink()
    project.run("fit")
    assert project.states == {"clean": "done", "fit": "done"}


def test_what_a_killed_task_left_is_replaced_and_not_read(project: Project) -> None:
    project.run("clean")
    project.run("fit")
    manifest = project.manifest
    manifest["parts"][1] |= {"status": "unfinished", "outputs": {}}
    path = project.path / RUN_MANIFEST / RUN / "run_manifest.json"
    path.write_text(json.dumps(manifest | {"status": "unfinished"}))
    assert "yet: fit is running, or was killed." in refused(project, "score")
    project.run("fit")
    project.run("score")
    assert project.manifest["status"] == "done"


def test_what_was_made_from_a_stage_that_is_repeated_with_another_result_is_outdated(
    project: Project,
) -> None:
    for name in STAGES:
        project.run(name)
    project.run("clean")  # the same result
    assert set(project.states.values()) == {"done"}
    project.give(rows=8)
    project.run("clean")
    assert project.states == {"clean": "done", "fit": "outdated", "score": "outdated"}
    assert project.manifest["status"] == "failed"
    assert "fit outdated: table was made again, so repeat the stage" in project.manifest["error"]
    assert "has not made 'checked' yet: fit outdated" in refused(project, "score")
    project.run("fit")
    project.run("score")
    assert (project.manifest["status"], project.read("result")) == ("done", {"score": 24})


def test_a_run_does_not_go_on_with_other_code_settings_or_inputs(project: Project) -> None:
    project.run("clean")
    project.params = {"seed": 1}
    (project.path / "src").mkdir()
    (project.path / "src/nodes.py").write_text("changed")
    message = refused(project, "fit")
    assert f"Run {RUN} can't go on, because this has changed since clean:" in message
    assert re.search(r"- code in src, conf/base or pyproject.toml: \w{12} -> \w{12}\n", message)
    assert "- parameters seed: only after\n" in message
    project.run("clean")  # repeated by itself, the stage begins the run anew
    project.run("fit")
    assert project.manifest["parameters"] == {"seed": 1}


def test_only_packages_of_the_first_task_make_a_difference(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.run("clean")
    install(monkeypatch, pandas="3.1.1")
    assert "- package pandas: 3.1.0 -> 3.1.1" in refused(project, "fit")
    install(monkeypatch, pandas="3.1.0", further="1.0")
    project.run("fit")
    assert project.manifest["packages"] == {"pandas": "3.1.0"}
    install(monkeypatch, pandas="3.1.0")
    project.run("score")
    install(monkeypatch, further="1.0")
    assert "- package pandas: only before" in refused(project, "score")


HOLD = """
import sys
from pathlib import Path
from zlib import crc32
from preflight.files import lock
with Path(sys.argv[1]).open("a+b") as file:
    lock(file, byte=crc32(sys.argv[2].encode()))
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_stage_that_is_still_running_is_not_begun_a_second_time(project: Project) -> None:
    project.run("clean")
    file = str(project.path / RUN_MANIFEST / RUN / NODES)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, file, "fit.check"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin and other.stdout
        assert other.stdout.readline() == "held\n"
        assert f"fit of run {RUN} is running already" in refused(project, "fit")
        project.run("clean")  # other stages go on
        other.stdin.close()
    project.run("fit")


def test_a_task_that_would_read_another_input_than_the_task_before_is_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = stage("again", Node(count, "raw", "answer", name="again"))
    both = {"again": again, "__default__": PIPELINES["__default__"] + again}
    for module in ("versions", "tasks", "messages"):
        monkeypatch.setattr(f"preflight.hooks.{module}.pipelines", PIPELINES | both)
    monkeypatch.setitem(PIPELINES, "again", again)
    project.run("clean")
    project.give(rows=8)
    assert f"Run {RUN} can't go on: 'raw' is raw.json now" in refused(project, "again")
    project.give(rows=7)
    project.run("again")


@pytest.mark.parametrize(
    ("run", "why"),
    [
        ("tuesday", "is 'tuesday', which is no name of a version"),
        ("2013-01-02", "is no name of a version"),
        ("2013-13-02T00.00.00.000Z", "is no name of a version"),
        ("2013-01-02T00.00.00.000000Z", "is no name of a version"),
        ("../../a", "is no name of a version"),
        ("2999-01-02T00.00.00.000Z", "is after now"),
    ],
)
def test_a_run_identifier_is_a_moment_in_the_past(project: Project, run: str, why: str) -> None:
    assert why in refused(project, "clean", run=run)


def test_tasks_do_not_join_a_run_in_one_process(project: Project) -> None:
    whole = project.run(run="")
    message = refused(project, "fit", run=whole)
    assert f"PREFLIGHT_RUN is {whole}, the version of a run in one process" in message


def test_options_that_mix_runs_are_refused(project: Project) -> None:
    assert "run them in two tasks" in refused(project, "clean", "use")
    assert "--only-missing-outputs would" in refused(project, "clean", only_missing_outputs=True)


def test_tasks_that_end_at_the_same_time_are_all_in_the_manifest(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each task holds the lock of the manifest only while it changes it."""
    many = {
        f"s{i}": stage(f"s{i}", Node(count, "raw", f"table{i}", name="count")) for i in range(8)
    }
    found = many | {"__default__": sum(many.values(), Pipeline([]))}
    for module in ("versions", "tasks", "messages"):
        monkeypatch.setattr(f"preflight.hooks.{module}.pipelines", found)
    for name, one in many.items():
        monkeypatch.setitem(PIPELINES, name, one)
    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(project.run, many)] == [RUN] * 8
    assert project.states == dict.fromkeys(many, "done")
    assert project.manifest["pipelines"] == []
