"""Whole runs on a small copy of the project; good input and bad.

One run is started as a user starts it and shared by many tests (`finished`); the others are made in
this process, where the engine and the project are those of this repository.
"""

import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from click.testing import CliRunner, Result
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import MemoryDataset
from kedro.pipeline import pipeline

from preflight.cli.commands import cli
from preflight.cli.versions import list_versions
from preflight.deployment import champion
from preflight.errors import RunError, explain
from preflight.evaluation.ledger import EvaluationLedger
from preflight.inference.prediction_log import PredictionLog
from preflight.problem.money import format_money
from preflight.runs.manifest import LEDGER, RUN_MANIFEST, flatten, read_manifest
from preflight.runs.raw_files import accept

from late_flights.pipeline_registry import RUN, register_pipelines
from late_flights.pipelines.feature_engineering import nodes as features
from late_flights.pipelines.modeling import pipeline as modeling

ROOT = Path(__file__).parents[2]
Tables = dict[str, pd.DataFrame]
Project = Callable[..., Path]
Run = Callable[..., Any]
Kedro = Callable[..., subprocess.CompletedProcess[str]]
MEASURED = {
    "model_mb": 1.0,
    "memory_mb": 10.0,
    "p99_ms": 5.0,
    "p99_load": 1.0,
    "rows_per_second": 100_000.0,
    "rows_load": 1.0,
}


class AtOnce(Executor):
    """Does at once what a process of its own would do."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def submit(self, fn: Callable[..., Any], /, *given: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        future.set_result(fn(*given, **named))
        return future


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that is started as a user does has both; each has tests of its own."""
    monkeypatch.setattr("preflight.modeling.resources.new_process", AtOnce)
    monkeypatch.setattr("preflight.modeling.resources.measure", lambda *_: MEASURED)
    monkeypatch.setattr("preflight.deployment.gate.new_process", AtOnce)


def refused(run: Run, where: Path, *pipelines: str, **options: Any) -> str:
    """What a user is told of a run that fails."""
    with pytest.raises(Exception) as stopped:
        run(where, *pipelines, **options)
    message = explain(stopped.value)
    assert message is not None, stopped.value
    return message


def command(where: Path, *arguments: str) -> Result:
    """Give one of the project's own commands in this process."""
    return CliRunner().invoke(cli, arguments, obj=bootstrap_project(where))


def saved(project: Path) -> dict[str, list[str]]:
    """The versions on disk of each dataset that has some."""
    versions: dict[str, list[str]] = {}
    for path in sorted((project / "data").glob("0[2-8]*/**/*")):
        if path.is_file() and path.parent.name[:2] == "20":
            versions.setdefault(path.name, []).append(path.parent.name)
    return versions


def newest(project: Path, name: str) -> Path:
    return sorted(project.glob(f"data/*/{name}/*/{name}"))[-1]


def version_of(project: Path) -> str:
    return sorted(path.name for path in (project / RUN_MANIFEST).iterdir())[-1]


def catalog_of(project: Path) -> Any:
    bootstrap_project(project)
    with KedroSession.create(project) as session:
        return session.load_context().catalog


def change(column: str, to: Callable[[pd.Series], Any]) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return lambda table: table.assign(**{column: to(table[column])})


def shift_hour(text: pd.Series) -> pd.Series:
    return (pd.to_datetime(text) + pd.Timedelta(hours=1)).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


DEFECTS = {
    "a missing column": (
        "flights", lambda t: t.drop(columns="dep_delay"), ["column dep_delay is missing"],
    ),
    "a renamed column": (
        "weather",
        lambda t: t.rename(columns={"visib": "visibility"}),
        ["column visib is missing", "column visibility is not in the contract"],
    ),
    "an extra column": (
        "planes", lambda t: t.assign(owner="x"), ["column owner is not in the contract"],
    ),
    "a number as text": (
        "flights",
        change("distance", lambda d: d.astype(object).where(d.index != d.index[7], "far")),
        ["column distance has values that int64 can't hold: 1 value, e.g. far"],
    ),
    "Fahrenheit turned Celsius": (
        "weather",
        lambda t: t.assign(temp=(t["temp"] - 32) / 1.8, dewp=(t["dewp"] - 32) / 1.8),
        ["rule 'humid follows from temp and dewp in °F'"],
    ),
    "duplicate keys": (
        "flights", lambda t: pd.concat([t, t.tail(2)]), ["is not unique: 4"],
    ),
    "a shifted clock": (
        "weather", change("time_hour", shift_hour), ["rule 'time_hour is the local date and hour'"],
    ),
    "delays that do not fit the clocks": (
        "flights",
        change("dep_delay", lambda d: d + 1),
        ["rule 'dep_delay is dep_time less sched_dep_time, modulo a day'"],
    ),
    "an unknown airport": (
        "flights",
        change("origin", lambda o: o.replace("JFK", "IDL")),
        ["column origin is none of ['EWR', 'JFK', 'LGA']"],
    ),
    "missing values in a key": (
        "airlines",
        change("carrier", lambda c: c.where(c != "UA")),
        ["column carrier has missing values: 1 value"],
    ),
    "several at once": (
        "weather",
        lambda t: t.assign(precip=-1.0, humid=200.0, time_hour=shift_hour(t["time_hour"])),
        ["column precip is below 0", "column humid is above 100", "rule 'time_hour is"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("defect", DEFECTS)
def test_bad_input_stops_the_run_before_anything_is_made_from_it(
    defect: str, project: Project, run: Run, raw_tables: Tables, small_raw: Tables
) -> None:
    table, spoil, words = DEFECTS[defect]
    file = "flights.csv.zip" if table == "flights" else f"{table}.csv"
    where = project({file: spoil((raw_tables | small_raw)[file])})
    message = refused(run, where, "data_engineering", "feature_engineering")
    assert f"Dataset 'raw_{table}', as read, breaks its contract" in message
    for word in words:
        assert word in message
    made_from = {"planes": ["aircraft"], "airlines": ["cleaning"]}.get(table, [table])
    for name in [*made_from, "features", "train", "test"]:
        assert f"{name}.parquet" not in saved(where)


def test_the_clean_twin_of_all_these_passes(
    project: Project, run: Run, small: dict[str, Any]
) -> None:
    where = project()
    version = run(where, "data_engineering", "feature_engineering", params=small).version
    made = {"flights", "weather", "aircraft", "airports", "features", "train", "validation", "test"}
    assert made <= {name.removesuffix(".parquet") for name in saved(where)}
    assert {v for versions in saved(where).values() for v in versions} == {version}


@pytest.mark.parametrize("change", ["missing", "changed"])
def test_a_raw_file_that_is_not_the_one_in_the_manifest_stops_the_run(
    change: str, project: Project, run: Run
) -> None:
    where = project()
    file = where / "data/01_raw/weather.csv"
    file.unlink() if change == "missing" else file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(RunError, match=f"weather.csv .*{change}"):
        run(where, "data_engineering")
    assert not saved(where)


def test_a_split_that_leaves_a_part_empty_is_told(project: Project, run: Run) -> None:
    with pytest.raises(RunError, match="leaves validation and test without examples"):
        run(project(), "data_engineering", "feature_engineering")


def test_on_the_command_line_an_error_is_a_message_and_not_a_traceback(
    project: Project, kedro: Kedro, raw_tables: Tables
) -> None:
    where = project({"planes.csv": raw_tables["planes.csv"].assign(seats=0)})
    done = kedro(where, "run", "--pipelines", "data_engineering")
    assert done.returncode == 1
    assert "column seats is below 1: 3,322 values" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_on_a_full_disk_the_first_error_is_told_and_the_old_versions_stay_the_newest(
    project: Project, run: Run
) -> None:
    where = project()
    first = run(where, "data_engineering").version
    before = saved(where)
    # no file may grow beyond 4 kB: neither the first table nor the manifest of the run
    limited = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
sys.argv = ["kedro", "run", "--pipelines", "data_engineering"]
from kedro.framework.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", limited],
        cwd=where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr + done.stdout
    told = done.stderr.splitlines()
    (last,) = (line for line in told if "This run has no manifest" in line)
    assert "File too large" in last
    assert "File too large" in told[-1]  # the error of the run is the last that is said
    assert "Failed while saving data to dataset" in told[-2]
    assert "run_manifest" not in told[-2]
    left = {path for path in (where / "data").rglob("*") if path.suffix == ".half-made"}
    assert left == set()
    assert {name: versions[0] for name, versions in saved(where).items()} == dict.fromkeys(
        before, first
    )
    assert saved(where)["flights.parquet"] == [first]


@pytest.fixture
def leak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weather of an hour is taken for known when the hour begins, as a user's mistake would."""
    build = features.build_weather_features

    @functools.wraps(build)
    def at_once(*tables: pd.DataFrame, **named: Any) -> pd.DataFrame:
        def early(table: Any) -> Any:
            known = isinstance(table, pd.DataFrame) and "published_at" in table
            return table.assign(published_at=table["hour_start"]) if known else table

        return build(*map(early, tables), **{name: early(one) for name, one in named.items()})

    monkeypatch.setattr(features, "build_weather_features", at_once)


@pytest.mark.usefixtures("leak")
def test_a_feature_that_knows_the_future_stops_the_run_before_anything_is_fitted(
    project: Project, run: Run, small: dict[str, Any]
) -> None:
    where = project()
    message = refused(run, where, params=small)
    assert "known_at: temperature: knows the rows of weather, weather.temp too early" in message
    assert message.count("known_at: temperature") == 1
    written = {name.split(".")[0] for name in saved(where)}
    assert {"features", "train"} <= written
    assert written.isdisjoint({"feature_audit", "best_params", "candidate", "verdict", "report"})


def test_features_that_failed_their_audit_are_not_fitted_by_a_later_run(
    finished_copy: Path, run: Run, request: pytest.FixtureRequest
) -> None:
    where = finished_copy
    assert "passed. Assumed, not checked: flights.tailnum." in run(where, "audit").said
    request.getfixturevalue("leak")
    assert "known_at: temperature" in refused(run, where, "feature_engineering", "audit")
    message = refused(run, where, "modeling", "evaluation")
    assert "'train' is not the one that the audit has passed" in message
    assert len(saved(where)["candidate.skops"]) == 1


def test_a_run_in_which_a_model_could_learn_from_test_does_not_begin(
    project: Project, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    where, fit = project(), modeling.create_pipeline()
    wrong = pipeline(fit, inputs={"validation": "test"})
    monkeypatch.setattr("late_flights.pipelines.modeling.create_pipeline", lambda: wrong)
    message = refused(run, where)
    assert "'test' reaches 'candidate' through modeling.join_development" in message
    assert not saved(where)


def test_a_fault_of_the_program_names_its_node_and_shows_its_traceback(
    project: Project, run: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    @functools.wraps(features.build_weather_features)
    def divide(*_: Any, **__: Any) -> float:
        return 1 / 0

    monkeypatch.setattr(features, "build_weather_features", divide)
    with pytest.raises(ZeroDivisionError) as stopped:
        run(project(), "data_engineering", "feature_engineering")
    assert "Node feature_engineering.build_weather_features failed." in run.said
    sys.excepthook(stopped.type, stopped.value, stopped.tb)
    assert "Traceback" in capsys.readouterr().err


def test_a_contract_that_does_not_exist_stops_the_run_at_its_start(
    project: Project, run: Run
) -> None:
    where = project()
    catalog = where / "conf/base/catalog/feature_engineering.yml"
    catalog.write_text(catalog.read_text().replace("SplitSummary", "Splits"))
    message = refused(run, where, "data_engineering")
    assert "split_summary: Could not import validator" in message
    assert not saved(where)


def test_parameters_that_make_no_sense_are_told_all_at_once_before_any_node(
    project: Project, run: Run
) -> None:
    where = project()
    space = {"boosted_trees": {"space": {"max_iter": {"low": 900}}}}
    wrong = {
        "framing": {"costs": {"fn": 1}, "confidence": 2},
        "modeling": {"candidates": space},
    }
    message = refused(run, where, params=wrong)
    for words in ("nothing is left to decide", "confidence", "max_iter: 900 to 300 is no range"):
        assert words in message
    assert message.count("nothing is left to decide") == 1
    assert not saved(where)


def test_a_split_in_weeks_gives_the_run_of_the_equal_dates(finished_copy: Path, run: Run) -> None:
    where, first = finished_copy, version_of(finished_copy)
    path = where / "conf/base/parameters/framing.yml"
    conf = yaml.safe_load(path.read_text())
    split = conf["framing"]["split"]
    del split["validation_from"], split["test_from"]
    split |= {"validation_weeks": 2, "test_weeks": 1}
    path.write_text(yaml.safe_dump(conf))
    for stage in ("modeling", "evaluation"):  # with parts of the split before
        assert "made by another framing.split" in refused(run, where, stage)
    split["validation_weeks"] = 1
    path.write_text(yaml.safe_dump(conf))
    second = run(where).version
    for name in ("train", "validation", "test", "split_summary", "test_predictions"):
        one, two = (
            next(where.glob(f"data/*/{name}.parquet/{version}/{name}.parquet"))
            for version in (first, second)
        )
        tables = [
            pd.read_parquet(path).drop(columns="split", errors="ignore") for path in (one, two)
        ]
        pd.testing.assert_frame_equal(*tables, rtol=1e-9)


@pytest.mark.parametrize(
    ("pipelines", "params", "words"),
    [
        ((), {"modelling": {"search": {"trials": 0}}}, "no parameter 'modelling'. There are: "),
        (("audits",), {}, "Did you mean one of these instead?\n    audit"),
        (("evaluation",), {}, "There is no 'baselines' yet: data/06_models/"),
    ],
)
def test_what_a_user_mistypes_is_told(
    pipelines: tuple[str, ...], params: dict[str, Any], words: str, project: Project, run: Run
) -> None:
    message = refused(run, project(), *pipelines, params=params)
    assert words in message.replace("'candidate' yet", "'baselines' yet")


def test_results_of_different_runs_are_not_shown_together(finished_copy: Path, run: Run) -> None:
    other_costs = {"framing": {"costs": {"fn": 5000}}}
    with pytest.raises(RunError, match=r"another framing: framing\.costs\.fn: \S+ -> \S+\. "):
        run(finished_copy, "evaluation", "reporting", params=other_costs)
    with pytest.raises(RunError, match="not of one run and framing"):
        run(finished_copy, "reporting", params=other_costs)
    assert run(finished_copy, "reporting").version


def test_a_card_with_an_empty_section_fails_the_run_and_evidence_that_is_deleted_costs_its_point(
    finished_copy: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = finished_copy
    states = []
    test = where / "tests/test_run.py"  # evidence that the whole pipeline is tested
    test.parent.mkdir(parents=True, exist_ok=True)
    for change in (test.touch, test.unlink):
        change()
        run(where, "reporting")
        checklist = json.loads(newest(where, "checklist.json").read_text())
        checks = checklist["sections"]["infrastructure"]
        states += [check["state"] for check in checks if "tests/test_run.py" in check["evidence"]]
    assert states == ["automated", "open"]

    cards = len(saved(where)["model_card.md"])
    empty = "## Factors\n\n## Metrics\n"
    monkeypatch.setattr("preflight.reporting.render_model_card", lambda reported: empty)
    message = refused(run, where, "reporting")
    assert "has nothing under" in message
    assert "'Factors'" in message
    assert len(saved(where)["model_card.md"]) == cards


def test_contracts_switched_off_are_told_loudly(
    project: Project, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEDRO_DATASET_VALIDATION", "false")
    assert "no contract is enforced" in run(project(), "data_engineering").said


def test_a_second_run_leaves_both_complete_and_repeats_the_first(
    finished_copy: Path, run: Run
) -> None:
    where, first = finished_copy, version_of(finished_copy)
    second = run(where).version
    for name, versions in saved(where).items():
        assert versions == [first, second], name
    for name in ("metrics.json", "selection.json", "best_params.json"):
        one, two = (
            flatten(json.loads(next(where.glob(f"data/*/{name}/{version}/{name}")).read_text()))
            for version in (first, second)
        )
        assert one.keys() == two.keys()
        for key, value in one.items():  # with other threads the last bits may differ
            near = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
            assert two[key] == near, key


def test_the_run_ends_with_the_decision_its_interval_the_report_and_what_comes_next(
    finished: Any,
) -> None:
    where, done = finished
    assert done.returncode == 0, done.stderr
    lines = done.stderr.strip().splitlines()
    busy = ("Speed ", "  search:")  # lines of a slow machine
    lines = [line for line in lines if not line.startswith(busy)]
    *_, decision, gain, report, following, basis = lines
    verdict = json.loads(next(where.glob("data/08_reporting/verdict.json/*/*")).read_text())
    over = verdict["value"]["over_baseline"]
    is_ship = verdict["decision"] == "ship"
    assert decision.startswith(f"Verdict   {'SHIP' if is_ship else 'DO NOT SHIP'}")
    assert over["baseline"].replace("_", " ") in gain
    low, high = (format_money(over[end], "USD") for end in ("low", "high"))
    assert f"(95% CI {low} to {high})" in gain
    assert (where / report.split()[-1]).is_file()
    assert following.startswith("Next ")
    assert ("kedro run --pipelines deployment" in following) == is_ship
    assert "flights.tailnum" in basis
    assert basis.endswith("candidate 1 evaluated on this test set")
    assert len(lines) <= 16
    assert "Warning" not in done.stderr


def test_the_shipped_verdict_is_right_by_its_predictions_alone(
    finished: Any,
) -> None:
    where, _ = finished
    verdict = json.loads(newest(where, "verdict.json").read_text())["value"]
    c, over = verdict["costs"], verdict["over_baseline"]

    def saved(table: pd.DataFrame, act: pd.Series) -> pd.Series:
        return act * (table["label"] * (c["fn"] - c["tp"]) - (1 - table["label"]) * c["fp"])

    test = pd.read_parquet(newest(where, "test_predictions.parquet"))
    gain = saved(test, test["act"]) - saved(test, test[f"act_{over['baseline']}"])
    assert verdict["per_1000"] == pytest.approx(1000 * saved(test, test["act"]).mean())
    assert over["mean"] == pytest.approx(1000 * gain.mean())
    day = test["predict_at"].dt.tz_convert("America/New_York").dt.date
    days = gain.groupby(day).agg(["sum", "count"]).to_numpy()
    drawn = np.random.default_rng(1).integers(0, len(days), (20_000, len(days)))
    sums = days[drawn].sum(axis=1)
    low, high = np.quantile(1000 * sums[:, 0] / sums[:, 1], [0.025, 0.975])
    near = 0.2 * (high - low)
    assert over["low"] <= low + near  # Student's t is wider for so few days
    assert over["high"] >= high - near

    for name, found in verdict["over_baselines"].items():
        ahead = saved(test, test["act"]) - saved(test, test[f"act_{name}"])
        assert found["mean"] == pytest.approx(1000 * ahead.mean())
    lowest = min(verdict["over_baselines"].items(), key=lambda one: one[1]["low"])
    assert over == {"baseline": lowest[0], **lowest[1]}
    assert verdict["deciding"] == {"level": pytest.approx(0.025), "low": over["low"]}


def test_a_run_is_made_again_to_the_byte_and_what_changed_since_is_named(
    finished_copy: Path,
) -> None:
    where, version = finished_copy, version_of(finished_copy)
    made = read_manifest(where, version)
    assert {"candidate", "metrics", "verdict", "test_predictions"} <= made["outputs"].keys()
    assert set(made["nodes"]) == {n.name for n in register_pipelines()["__default__"].nodes}
    done = command(where, "reproduce", version)
    assert done.exit_code == 0, done.output
    assert f"{version} is reproduced: every output is the same." in done.stdout

    # A package and a raw file of today are others: each is named.
    path = where / RUN_MANIFEST / version / "run_manifest.json"
    made["packages"]["pandas"] = "1.0"
    path.write_text(json.dumps(made))
    raw = where / "data/01_raw/airlines.csv"
    raw.write_text(raw.read_text() + "\n")
    done = command(where, "reproduce", version)
    assert done.exit_code == 1
    assert "package pandas: 1.0 -> " in done.stderr
    assert "input raw_airlines: data/01_raw/airlines.csv has changed" in done.stderr


@pytest.fixture
def reproduced_here(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run that is made again is made in this process."""

    def here(kedro: list[str], cwd: Path, **_: Any) -> SimpleNamespace:
        stages = kedro[-1].split(",") if "--pipelines" in kedro else []
        run(cwd, *stages)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("preflight.cli.reproduce.subprocess", SimpleNamespace(run=here))


@pytest.mark.usefixtures("reproduced_here")
def test_an_output_that_is_not_what_the_run_makes_is_named(finished_copy: Path, run: Run) -> None:
    where, version = finished_copy, run(finished_copy, "evaluation").version
    made = read_manifest(where, version)
    made["outputs"]["metrics"]["sha256"] = "0" * 64
    metrics = where / made["outputs"]["metrics"]["path"]
    metrics.write_text(metrics.read_text().replace("0.", "1.", 1))
    path = where / RUN_MANIFEST / version / "run_manifest.json"
    path.write_text(json.dumps(made))
    done = command(where, "reproduce", version)
    assert done.exit_code == 1
    assert "metrics: candidate.roc_auc.mean: 1." in done.stderr
    assert done.stderr.count("\n  - ") == 1


def test_a_failed_run_leaves_a_manifest_that_says_why(finished_copy: Path, run: Run) -> None:
    where = finished_copy
    (next((where / "data/06_models/candidate.skops").iterdir()) / "candidate.skops").write_text("?")
    with pytest.raises(Exception, match="candidate"):
        run(where, "audit", "evaluation")
    failed = read_manifest(where, version_of(where))
    assert failed["status"] == "failed"
    assert "candidate" in failed["error"]
    done = command(where, "reproduce", failed["run"])
    assert done.exit_code == 1
    assert "the run failed: " in done.stderr
    listed = command(where, "versions").stdout
    assert f"{failed['run']} " in listed
    assert "audit, evaluation: failed" in listed
    pruned = command(where, "versions", "--prune", "--keep", "0", "--yes")
    assert pruned.exit_code == 0, pruned.output
    assert [p for p in where.glob("data/**/candidate.skops") if p.is_file()] == []


@pytest.mark.parametrize("model", ["candidate", "baselines"])
def test_a_model_file_loads_with_the_types_trusted(model: str, finished: Any) -> None:
    where, _ = finished
    file = next((where / "data/06_models").glob(f"{model}.skops/*/{model}.skops"))
    conf = yaml.safe_load((ROOT / "conf/base/catalog/modeling.yml").read_text())
    assert {*skops.io.get_untrusted_types(file=file)} < {*conf["trusted_types"]["data"]}
    assert catalog_of(where).load(model)


def test_a_model_file_that_would_run_a_command_is_not_loaded(finished_copy: Path) -> None:
    file = next((finished_copy / "data/06_models").glob("candidate.skops/*/candidate.skops"))
    skops.io.dump({"estimator": functools.partial(os.system, "echo owned")}, file)
    with pytest.raises(Exception, match="Untrusted types found"):
        catalog_of(finished_copy).load("candidate")


# Promote though the verdict holds: the test is short and the model small.
ANYWAY = {"deployment": {"override": {"by": "Ada", "reason": "a test"}}}


@pytest.mark.usefixtures("reproduced_here")
def test_a_candidate_is_promoted_by_its_gate_alone(finished_copy: Path, run: Run) -> None:
    where = finished_copy
    version, pointer = version_of(where), where / champion.POINTER
    assert not pointer.exists()  # `kedro run` deploys nothing
    message = refused(run, where, "deployment")
    assert f"The candidate of run {version} is not promoted:" in message
    assert "- verdict: hold: " in message
    assert champion.current(pointer) is None

    done = run(where, "deployment", params=ANYWAY)
    assert f"PROMOTED  {version} is the champion." in done.said
    promoted = champion.current(pointer)
    assert promoted is not None
    assert promoted.override is not None
    assert promoted.override.by == "Ada"
    assert [v["version"] for v in list_versions(where) if v["needed_by"]] == [version]
    again = refused(run, where, "deployment", params=ANYWAY)
    assert f"compared with another: the champion is {version} now" in again
    rolled_back = command(where, "rollback")
    assert rolled_back.exit_code == 1
    assert "no champion before this one" in rolled_back.stderr

    # What is judged from now on is judged against it, and that can be made again.
    judged = run(where, "evaluation").version
    against = read_manifest(where, judged)["inputs"]["champion"]
    assert (against["version"], against["sha256"]) == (version, promoted.sha256)
    reproduced = command(where, "reproduce", judged)
    assert reproduced.exit_code == 0, reproduced.output


def verdict_of(where: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(newest(where, "verdict.json").read_text())
    return found


def test_a_what_if_says_so_is_not_counted_and_not_deployed(finished_copy: Path, run: Run) -> None:
    where = finished_copy
    assert verdict_of(where)["what_if"] == []
    counted = (where / LEDGER).read_bytes()
    loosened = "evaluation.seed is 7, in conf/base 2013"
    here_alone = ANYWAY | {"evaluation": {"seed": 7}}
    message = refused(run, where, "deployment", params=here_alone)
    assert f"- what-if: {loosened}. " in message

    # One stage alone is a what-if, and with it all that is made from it.
    run(where, "audit", params={"audit": {"single_auc": 1}})
    told = "Verdict   WHAT-IF, not an evaluation: audit.single_auc is 1, in conf/base 0.8 (in run 2"
    later = run(where, "evaluation").said
    (decision,) = [line for line in later.splitlines() if line.startswith(told)] or [later]
    assert "). It would be DO NOT SHIP: " in decision
    assert (where / LEDGER).read_bytes() == counted
    message = refused(run, where, "deployment", params=ANYWAY)
    assert "- what-if: audit.single_auc is 1, in conf/base 0.8 (in run 2" in message
    assert not (where / champion.POINTER).exists()

    # Without it the verdict is one again.
    assert "\nVerdict   DO NOT SHIP: " in run(where, "audit", "evaluation").said
    assert verdict_of(where)["what_if"] == []
    assert (where / LEDGER).read_bytes() == counted


COMMIT = "Commit data/test_evaluations.jsonl: it keeps the count."


@pytest.mark.usefixtures("reproduced_here")
def test_each_candidate_is_counted_once_and_its_verdict_stays(
    finished_copy: Path, run: Run
) -> None:
    where, first = finished_copy, version_of(finished_copy)
    usage = verdict_of(where)["test_set"]
    assert (usage["number"], usage["candidates"]) == (1, 1)
    (entry,) = EvaluationLedger(str(where / LEDGER)).load()
    assert (entry["run"], entry["candidate"]) == (first, usage["candidate"])
    again = run(where, "evaluation")
    assert COMMIT not in again.said
    assert verdict_of(where)["test_set"] == usage

    # A what-if would be the second; then another candidate is.
    other = {"modeling": {"candidates": {"boosted_trees": {"exclude_groups": ["weather"]}}}}
    few = {"framing": {"slices": ["origin"]}}
    tried = run(where, "modeling", "evaluation", params=other | few).version
    number, level = (verdict_of(where)["test_set"][name] for name in ("number", "level"))
    assert (number, verdict_of(where)["test_set"]["candidates"]) == (2, 1)
    done = run(where, "modeling", "evaluation", params=other)
    assert f"now been used by 2 candidates. {COMMIT}" in done.said
    third = {"modeling": {"candidates": {"boosted_trees": {"exclude_groups": ["schedule"]}}}}
    run(where, "modeling", "evaluation", params=third)
    assert verdict_of(where)["test_set"]["number"] == 3
    assert verdict_of(where)["test_set"]["level"] < level < usage["level"]
    for version in (tried, done.version):  # as if there were no third
        reproduced = command(where, "reproduce", version)
        assert reproduced.exit_code == 0, reproduced.output
    assert len(EvaluationLedger(str(where / LEDGER)).load()) == 3


def test_a_run_that_can_not_count_has_no_verdict_and_says_what_to_do(
    finished_copy: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = finished_copy
    counted, verdicts = (where / LEDGER).read_bytes(), saved(where)["verdict.json"]
    (where / LEDGER).write_bytes(counted[:50])
    message = refused(run, where, "evaluation")
    assert f"{where / LEDGER}, line 1 is no test evaluation" in message
    assert "delete that line alone" in message
    (where / LEDGER).unlink()

    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(EvaluationLedger, "_append", refuse)
        message = refused(run, where, "evaluation")
    assert "test_evaluations.jsonl can't be written: Permission denied." in message
    assert "kedro run --pipelines evaluation" in message
    assert saved(where)["verdict.json"] == verdicts
    assert COMMIT in run(where, "evaluation").said
    (before,), (after,) = (
        [json.loads(line) | {"run": ""} for line in lines.splitlines()]
        for lines in (counted, (where / LEDGER).read_bytes())
    )
    assert before == after


def test_the_champion_says_of_all_days_of_test_what_it_said_in_evaluation(
    finished_copy: Path, run: Run
) -> None:
    where, version = finished_copy, version_of(finished_copy)
    run(where, "deployment", params=ANYWAY)
    days = {"moment": "2013-02-11T05:00:00Z", "until": "2013-02-18T05:00:00Z", "every_minutes": 120}
    run(where, "inference", params={"inference": days})
    log = PredictionLog(str(where / "data/07_model_output/prediction_log"), LOG_CONTRACT)
    given = log.load()
    test = pd.read_parquet(newest(where, "test_predictions.parquet"))
    text = {"carrier": "str", "origin": "str"}
    key = ["carrier", "flight", "origin", "scheduled_departure"]
    both = test.astype(text).merge(given.astype(text), on=key, suffixes=("", "_given"))
    assert len(both) == len(test) > 1000
    assert (both["probability"] == both["probability_given"]).all()
    assert (both["act"] == both["act_given"]).all()
    assert set(given["model"]) == {version}
    files = set((where / "data/07_model_output/prediction_log").rglob("*"))
    run(where, "inference", params={"inference": days | {"until": "2013-02-12T05:00:00Z"}})
    assert set((where / "data/07_model_output/prediction_log").rglob("*")) == files
    assert "0 decisions due" in run(where, "inference").said


LOG_CONTRACT = "late_flights.contracts.derived.PredictionLog"


def frozen(weather: pd.DataFrame, since: str) -> pd.DataFrame:
    """The raw weather, which repeats from a moment on what it was before."""
    weather = weather.sort_values(["origin", "time_hour"])
    measured = [*weather.columns[weather.columns.get_loc("temp") : -1]]
    late = weather["time_hour"] >= since
    values = weather[measured].mask(late).groupby(weather["origin"]).ffill()
    return weather.assign(**values.where(late, weather[measured])).sort_index()


def test_inputs_are_checked_before_they_are_scored_and_a_block_is_lifted(
    finished_copy: Path, run: Run, small_raw: dict[str, pd.DataFrame]
) -> None:
    where, at = finished_copy, {"moment": "2013-02-15T17:00:00Z"}
    run(where, "deployment", params=ANYWAY)
    log = PredictionLog(str(where / "data/07_model_output/prediction_log"), LOG_CONTRACT)
    told = run(where, "inference", params={"inference": at}).said
    assert told.count("no limits of inputs yet") == 1
    scored = len(log.load())
    assert scored > 0

    run(where, "monitoring")
    limits = json.loads(newest(where, "input_limits.json").read_text())
    assert (limits["until"], limits["source"]) == ("2013-02-17", "features")
    later = {"moment": "2013-02-15T18:00:00Z"}
    assert "no limits" not in run(where, "inference", params={"inference": later}).said
    assert len(log.load()) > scored

    frozen(small_raw["weather.csv"], "2013-02-14T06").to_csv(
        where / "data/01_raw/weather.csv", index=False
    )
    accept(where / "data/01_raw")
    run(where, "data_engineering")
    last = {"moment": "2013-02-15T19:00:00Z"}
    before = log.load()
    message = refused(run, where, "inference", params={"inference": last})
    assert set(re.findall(r"  - 2013-02-15, feed (\w+), .* (.*): \d different", message)) == {
        ("weather", "frozen")
    }
    assert message.count("  - ") == message.count("frozen") > 1
    pd.testing.assert_frame_equal(log.load(), before)
    check = where / "data/07_model_output/latest_input_check.json"
    assert json.loads(check.read_text())["blocked"]
    assert newest(where, "input_check.json").read_bytes() == check.read_bytes()
    refused(run, where, "inference", params={"inference": at})  # of an earlier moment
    assert json.loads(check.read_text())["moment"] == last["moment"]

    override = {"by": "Ada", "reason": "the weather is so", "until": last["moment"]}
    told = run(where, "inference", params={"inference": last | {"override": override}}).said
    assert "inputs accepted by Ada:\n  - 2013-02-15, feed weather" in told
    assert len(log.load()) > len(before)
    assert not json.loads(check.read_text())["blocked"]


def test_the_champion_is_watched_and_refitted_by_the_calendar(
    finished_copy: Path, run: Run
) -> None:
    where, pointer = finished_copy, finished_copy / champion.POINTER
    first = {"moment": "2013-02-12T12:00:00Z", "until": "2013-02-12T14:00:00Z"}
    said = run(where, "monitoring").said
    assert "There is no champion" in said
    run(where, "deployment", params=ANYWAY)
    before = champion.current(pointer)
    assert before is not None
    assert "no prediction of the champion" in run(where, "monitoring").said
    run(where, "inference", params={"inference": first})

    assert "no champion" not in run(where, "monitoring").said
    found = json.loads(newest(where, "alarms.json").read_text())
    assert found["champion"] == before.version
    assert [alarm["raised"] for alarm in found["alarms"]] == [False, False]
    assert "1 weeks of the log count, and 1 of the test" in found["alarms"][1]["message"]
    ledger = (where / LEDGER).read_bytes()

    late = {"moment": "2013-02-18T05:00:00Z", "weeks": 1}
    assert "fitted on predictions until" in refused(
        run, where, "retraining", params={"retraining": late | {"weeks": 3}}
    )
    version = run(where, "retraining", params={"retraining": late}).version
    challenger = catalog_of(where).load("challenger")["provenance"]
    assert challenger["refit_of"] == before.version
    assert challenger["last"] > catalog_of(where).load("champion")["provenance"]["last"]
    settings = where / "conf/base/parameters/evaluation.yml"
    as_evaluated = settings.read_text()
    settings.write_text(f"{as_evaluated}\n")
    assert "changed since it was evaluated. A changed recipe" in refused(run, where, "refit")
    assert champion.current(pointer) == before
    settings.write_text(as_evaluated)
    run(where, "refit")
    now = champion.current(pointer)
    assert now is not None
    assert (now.version, now.recipe_run) == (version, before.run)
    assert (where / LEDGER).read_bytes() == ledger  # no new candidate
    assert catalog_of(where).load("champion_test") is not None
    assert "the champion is" in refused(run, where, "refit")  # it was refitted from another


def test_rows_of_the_log_are_deleted_by_a_command(finished_copy: Path, run: Run) -> None:
    where = finished_copy
    run(where, "deployment", params=ANYWAY)
    run(where, "inference", params={"inference": {"moment": "2013-02-15T17:00:00Z"}})
    log = PredictionLog(str(where / "data/07_model_output/prediction_log"), LOG_CONTRACT)
    carriers = log.load()["carrier"]
    assert len(set(carriers)) > 1
    for wrong in ([], ["--where", "carrier"]):
        done = command(where, "delete-log", *wrong)
        assert (done.exit_code, "Say which rows" in done.output) == (2, True)
    done = command(where, "delete-log", "--where", "slack=1", "--yes")
    assert (done.exit_code, "slack is not in the key" in done.output) == (1, True)
    who = carriers.iloc[0]
    asked = ["delete-log", "--where", f"carrier={who}"]
    done = CliRunner().invoke(cli, asked, obj=bootstrap_project(where), input="n\n")
    assert f"Delete {(carriers == who).sum()} rows of 1 files for good?" in done.output
    assert len(log.load()) == len(carriers)
    done = command(where, *asked, "--yes")
    assert done.output.endswith(f"{(carriers == who).sum()} rows were deleted.\n")
    assert who not in set(log.load()["carrier"])
    assert "No rows match" in command(where, *asked, "--yes").output
    command(where, "delete-log", "--older-than", "1", "--yes")
    assert not log.exists()


def test_stages_layers_and_previews_are_there_for_kedro_viz(finished: Any) -> None:
    """A site is built of them by a slow test."""
    catalog = catalog_of(finished.project)
    layers = {
        (entry.metadata or {}).get("kedro-viz", {}).get("layer")
        for name in pipelines["__default__"].datasets()
        if hasattr(entry := catalog.get(name), "metadata")
    }
    assert {"01_raw", "03_primary", "04_feature", "05_model_input", "06_models"} <= layers
    assert {"08_results", "09_figures", "10_pages"} <= layers
    assert {node.namespace for node in pipelines["__default__"].nodes} >= {
        stage.__name__.rpartition(".")[2] for stage in RUN
    }
    for name in [
        "raw_flights",
        "flights",
        "features",
        "cleaning",
        "metrics",
        "value_figure",
        "model_card",
    ]:
        assert catalog[name].preview(), name


def test_a_run_reads_what_it_wrote_though_another_writes_a_newer_version(
    project: Project, run: Run
) -> None:
    where = project()
    version = run(where, "data_engineering").version
    newer = where / "data/03_primary/aircraft.parquet/2999-01-01T00.00.00.000Z/aircraft.parquet"
    newer.parent.mkdir()
    newer.write_bytes(b"not for this run")
    # The same nodes again, with the newer version there before they read what they write.
    assert run(where, "data_engineering").version > version


def longer(predictions: pd.DataFrame, weeks: int) -> pd.DataFrame:
    """The first week of a test again and again, as if it were weeks long."""
    moments = ["predict_at", "scheduled_departure"]
    start = predictions["predict_at"].min()
    week = predictions[predictions["predict_at"] < start + pd.Timedelta(weeks=1)]
    later = (pd.Timedelta(weeks=number) for number in range(weeks))
    return pd.concat([week.assign(**(week[moments] + one)) for one in later], ignore_index=True)


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda p: p.stem)
def test_the_cells_of_a_notebook_run_one_after_the_other(
    finished: Any, path: Path, replayed: dict[str, Any]
) -> None:
    """As Python, without a kernel, which a slow test starts."""
    catalog = catalog_of(finished.project)
    catalog["production_replay"] = MemoryDataset(replayed)  # the run's history is too short for one
    catalog["test_predictions"] = MemoryDataset(longer(catalog["test_predictions"].load(), 17))
    known: dict[str, Any] = {"catalog": catalog}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        code = "".join(cell["source"])
        if cell["cell_type"] == "code" and not code.startswith("%load_ext"):
            exec(code, known)


def test_only_the_example_knows_of_flights() -> None:
    """The engine is the same in every project."""
    generic = [
        path
        for path in (ROOT / "src/preflight").rglob("*")
        if path.suffix in {".py", ".j2", ".html", ".css"}
    ]
    words = re.compile(r"flights?\b(?<!pre.)|airport|carrier|weather|aircraft", re.IGNORECASE)
    found = {
        f"{path.name}: {line.strip()}"
        for path in generic
        for line in path.read_text(encoding="utf-8").splitlines()
        if words.search(re.sub("preflight", "", line, flags=re.IGNORECASE))
    }
    assert len(generic) > 10
    assert found == set()


def test_a_preview_leaves_nothing_that_another_stage_reads(finished_copy: Path, run: Run) -> None:
    where, before = finished_copy, saved(finished_copy)
    first, ledger = version_of(where), (where / LEDGER).read_bytes()
    preview = run(where, "preview")
    assert "PREVIEW   no verdict" in preview.said
    assert (where / LEDGER).read_bytes() == ledger
    new = {name: set(found) - {*before.get(name, [])} for name, found in saved(where).items()}
    assert {name for name, found in new.items() if found} == {"preview.json", "run_manifest.json"}
    inputs = read_manifest(where, preview.version)["inputs"]
    assert not [name for name in inputs if not name.startswith("raw_")]
    run(where, "reporting")
    # it holds, as before: its test is too short
    assert f"The candidate of run {first} is not promoted" in refused(run, where, "deployment")
    kept = {one["version"]: one["what"] for one in list_versions(where)}
    assert kept[preview.version] == "preview"


def test_a_preview_alone_can_not_be_deployed(
    project: Project, run: Run, small: dict[str, Any]
) -> None:
    where = project()
    run(where, "preview", params=small)
    assert "There is no verdict yet: kedro run" in refused(run, where, "deployment")
    assert not (where / LEDGER).exists()
