"""Whole runs with what starts slowly: notebooks' kernels, Kedro-Viz, processes that search.

Each has a quick twin in `test_run.py` or in the tests of its folder.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import optuna
import pandas as pd
import pytest
from nbclient import NotebookClient

from preflight.deployment import champion
from preflight.inference.keyed_features import KeyedFeatures
from preflight.inference.prediction_log import PredictionLog
from preflight.runs.manifest import RUN_MANIFEST, read_manifest

from late_flights.pipeline_registry import RUN

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
Run = Callable[..., Any]
Kedro = Callable[..., Any]


def version_of(project: Path) -> str:
    return sorted(path.name for path in (project / RUN_MANIFEST).iterdir())[-1]


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_runs_on_a_finished_run(
    finished_copy: Path, path: Path, replayed: dict[str, Any]
) -> None:
    file = finished_copy / "data/08_reporting/production_replay.json/made/production_replay.json"
    file.parent.mkdir(parents=True)  # the run's history is too short for a replay
    file.write_text(json.dumps(replayed))
    notebook = nbformat.read(path, as_version=4)
    at = {"metadata": {"path": str(finished_copy)}}
    NotebookClient(notebook, timeout=120, resources=at).execute()
    shown = [out for cell in notebook.cells for out in cell.get("outputs", [])]
    kinds = {kind for out in shown for kind in out.get("data", {})}
    assert {"text/html", "image/png"} <= kinds
    assert not [out for out in shown if "Warning" in str(out.get("text"))]


def test_kedro_viz_builds_its_site_with_folded_stages_layers_and_previews(
    finished_copy: Path, kedro: Kedro
) -> None:
    where = finished_copy
    done = kedro(where, "viz", "build", "--include-previews")
    assert done.returncode == 0, done.stderr
    graph = json.loads((where / "build/api/main").read_text())
    assert graph["layers"] == sorted(graph["layers"])
    assert {"01_raw", "08_results", "09_figures", "10_pages"} <= {*graph["layers"]}
    stages = {node["name"] for node in graph["nodes"] if node["type"] == "modularPipeline"}
    assert stages >= {stage.__name__.rpartition(".")[2] for stage in RUN}
    previews = {}
    for node in graph["nodes"]:
        if node["type"] in {"data", "task"}:
            told = json.loads((where / "build/api/nodes" / node["id"]).read_text())
            previews[node["name"], node["type"]] = told.get("preview")
    shown = ["raw_flights", "flights", "features", "cleaning", "metrics"]
    for name in [*shown, "value_figure", "model_card", "datasheet"]:
        assert previews[name, "data"], name
    assert "published_at (UTC): end of the hour" in previews["clean_weather", "task"]["content"]


def test_two_processes_search_in_one_study(
    finished_copy: Path, run: Run, small: dict[str, Any]
) -> None:
    where = finished_copy
    search = small["modeling"]["search"] | {"trials": 8, "workers": 2, "study": "second"}
    run(where, "modeling", params={"modeling": {"search": search}})
    storage = f"sqlite:///{where}/data/06_models/studies.db"
    names = optuna.get_all_study_names(storage)
    assert sorted(name.split("-")[0] for name in names) == ["main", "second"]
    second = next(name for name in names if name.startswith("second"))
    trials = optuna.load_study(study_name=second, storage=storage).trials
    assert [trial.user_attrs["number"] for trial in trials] == [*range(8)]
    assert {trial.state.name for trial in trials} <= {"COMPLETE", "PRUNED"}


def test_from_a_refusal_to_predictions_on_the_command_line(
    finished_copy: Path, kedro: Kedro
) -> None:
    """With the fresh process and the measures of speed, which quick tests leave out."""
    where, version = finished_copy, version_of(finished_copy)
    done = kedro(where, "run", "--pipelines", "deployment")
    assert done.returncode == 1
    assert f"The candidate of run {version} is not promoted:" in done.stderr
    assert "Traceback" not in done.stderr
    anyway = "deployment.override.by=Ada,deployment.override.reason=a test"
    done = kedro(where, "run", "--pipelines", "deployment", "--params", anyway)
    assert done.returncode == 0, done.stderr
    assert f"PROMOTED  {version} is the champion." in done.stderr
    done = kedro(where, "rollback")
    assert done.returncode == 1
    assert "no champion before this one" in done.stderr

    judged = kedro(where, "run", "--pipelines", "evaluation")
    assert judged.returncode == 0, judged.stderr
    against = read_manifest(where, version_of(where))["inputs"]["champion"]
    now = champion.current(where / champion.POINTER)
    assert now is not None
    assert (against["version"], against["sha256"]) == (version, now.sha256)
    done = kedro(where, "reproduce", version_of(where))
    assert "reproduced" in done.stdout + done.stderr
    assert "test_predictions:" not in done.stderr  # they have the champion's columns

    days = {"moment": "2013-02-11T05:00:00Z", "until": "2013-02-12T05:00:00Z", "every_minutes": 120}
    (where / "infer.json").write_text(json.dumps({"run": {"params": {"inference": days}}}))
    infer = ["run", "--pipelines", "inference", "--config", "infer.json"]
    assert (told := kedro(where, *infer)).returncode == 0, told.stderr
    contract = "late_flights.contracts.derived.PredictionLog"
    log = PredictionLog(str(where / "data/07_model_output/prediction_log"), contract).load()
    (test,) = where.glob(f"data/*/test_predictions.parquet/{version}/*")
    text = {"carrier": "str", "origin": "str"}
    key = ["carrier", "flight", "origin", "scheduled_departure"]
    both = pd.read_parquet(test).astype(text)
    both = both.merge(log.astype(text), on=key, suffixes=("", "_given"))
    assert len(both) > 100
    assert (both["probability"] == both["probability_given"]).all()

    contract = "late_flights.contracts.derived.KeyedFeatures"
    by_key = KeyedFeatures(str(where / "data/04_feature/keyed_features.sqlite"), contract)
    kept = by_key.load()
    assert 0 < len(kept) < len(log)
    assert (kept["kept_until"] > log["moment"].max()).all()
    assert by_key.open().version in os.listdir(where / RUN_MANIFEST)


def test_a_command_tells_a_user_what_is_wrong_without_a_traceback(
    finished_copy: Path, kedro: Kedro
) -> None:
    where = finished_copy
    stage = where / "src/late_flights/pipelines/modeling/pipeline.py"
    read = '["train", "validation", "split_summary"'
    for arguments, words in {
        ("--params", "modelling.search.trials=0"): "no parameter 'modelling'. There are: ",
        ("--pipelines", "audits"): "Did you mean one of these instead?\n    audit",
        ("--params", "framing.costs.fn=1,framing.confidence=2"): "nothing is left to decide",
        (): "'test' reaches 'candidate' through modeling.join_development",
    }.items():
        if not arguments:  # the last: an edit of the project's own code
            assert read in stage.read_text()
            wrong = stage.read_text().replace(read, '["train", "test", "split_summary"')
            stage.write_text(wrong)
        done = kedro(where, "run", *arguments)
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert os.listdir(where / RUN_MANIFEST) == [version_of(where)]
