"""Shared by tests of the engine: a small problem of another trade, and runs on disk."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Node, Pipeline
from kedro.validation import DataValidationError
from omegaconf import OmegaConf
from pandera.errors import SchemaErrors

from preflight.deployment import champion
from preflight.evaluation.contracts import Evaluation
from preflight.evaluation.predictions import predict_test
from preflight.features.fingerprints import fingerprints, hash_keys
from preflight.features.point_in_time import run_in_memory
from preflight.inference.experiment import Design
from preflight.modeling.calibration import select_on_validation
from preflight.modeling.estimators import Estimator
from preflight.modeling.parameters import Modeling
from preflight.modeling.skops_file import dump
from preflight.modeling.training import (
    fit_baselines,
    fit_candidate,
    make_bundle,
    predict_validation,
)
from preflight.problem.framing import Framing
from preflight.runs.manifest import RUN_MANIFEST
from preflight.runs.raw_files import accept, hash_file

from late_flights.pipelines.feature_engineering.pipeline import create_pipeline as to_features

PROJECT = Path(__file__).parents[2]

# Where Python is told to keep nothing that it compiles, each process that tests start would compile
# all libraries anew, for seconds.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def trusted_types(conf: OmegaConfigLoader) -> list[str]:
    """The types that may be in the file of a model."""
    types: list[str] = conf["catalog"]["trusted_types"]["data"]
    return types


# Parcels, of which some break: modeling and evaluation know no trade, so any will do.
FRAMING: dict[str, Any] = {
    "goal": {
        "objective": "fewer broken parcels",
        "owner": "the packers",
        "kpi": {"name": "broken parcels packed once, per 1,000", "current": 300, "target": 100},
    },
    "decision": {
        "unit": "parcel",
        "units": "parcels",
        "per_month": 10_000,
        "actor": "a packer",
        "act": "pack it twice",
        "no_action": "pack it once",
        "undo": "unpack it",
        "label": "arrives broken",
    },
    "prediction": {
        "population": "all parcels",
        "lead_minutes": 60,
        "label_threshold": 0,
        "label_known_hours": 49,
    },
    "costs": {"unit": "EUR", "tp": 2, "fp": 1, "fn": 6, "tn": 0, "fn_factors": [0.8, 1.25]},
    "baselines": ["never", "lookup"],
    "project": {
        "achievable_saving": 200,
        "budget": 1000,
        "upkeep_per_month": 100,
        "label_source": "complaints",
        "label_price": 0.1,
        "label_cost_note": None,
    },
    "serving": {
        "p99_ms": 40,
        "requests_per_second": 5,
        "rows_per_second": 10,
        "model_mb": 10,
        "memory_mb": 100,
        "machine_per_hour": 1,
        "cost_per_1000": 1,
    },
    "split": {
        "timezone": "America/New_York",
        "validation_from": "2013-03-01T00:00:00-05:00",
        "test_from": "2013-04-01T00:00:00-04:00",
        "groups": [],
        "embargo_hours": 0,
    },
    "success": {"months": 6, "min_net_saving": 600, "power": 0.8, "max_test_evaluations": 3},
    "guardrails": {
        "slice_loss": 50,
        "protected": ["place"],
        "protected_gap": 0.6,
        "calibration_gap": 0.05,
        "plausible": {"roc_auc": [0.6, 0.95], "value_per_1000": [1, 2000]},
    },
    "slices": ["place", "month"],
    "confidence": 0.9,
}


@pytest.fixture
def framing_as_written() -> dict[str, Any]:
    """A framing as it stands in YAML."""
    return deepcopy(FRAMING)


@pytest.fixture(scope="session")
def framing() -> Framing:
    return Framing.model_validate(FRAMING)


@pytest.fixture(scope="session")
def seal_design() -> Callable[..., Design]:
    """Seals the design of an experiment that was not computed from a history."""
    fields = {
        "name": "act_or_not",
        "control": "untouched",
        "treatment": "champion",
        "champion": "v1",
        "challenger": None,
        "unit": ["place"],
        "period_hours": 24,
        "share": 0.5,
        "salt": "act_or_not",
        "start": date(2013, 3, 4),
        "looks": [date(2013, 4, 1), date(2013, 4, 29)],
        "alpha": 0.05,
        "effect_per_1000": 300.0,
        "power": 0.8,
        "standard_error": 100.0,
        "units": 168,
        "false_share": 0.045,
        "made_at": datetime(2013, 3, 1, tzinfo=UTC),
    }
    return lambda **changed: Design.seal(**fields | changed)


# The same parcels by what is to be packed around each: an amount, of which too little costs more.
AMOUNTS: dict[str, Any] = {
    **FRAMING,
    "task": "regression",
    "costs": {
        "unit": "EUR",
        "overage": 1,
        "underage": 3,
        "default_amount": 30,
        "underage_factors": [0.8, 1.25],
    },
    "baselines": ["usual", "lookup"],
    "guardrails": {
        **FRAMING["guardrails"],
        "protected_gap": 0.2,
        "plausible": {"mae": [1, 20], "value_per_1000": [1, 99999]},
    },
}


@pytest.fixture
def amounts_as_written() -> dict[str, Any]:
    return deepcopy(AMOUNTS)


@pytest.fixture(scope="session")
def amount_framing() -> Framing:
    return Framing.model_validate(AMOUNTS)


class Parcels:
    """What modeling and evaluation ask of the contract of the features."""

    @staticmethod
    def grain() -> list[str]:
        return ["parcel"]

    @staticmethod
    def groups() -> dict[str, list[str]]:
        return {"content": ["signal", "place"], "weather": ["noise"]}

    @staticmethod
    def names() -> list[str]:
        return ["signal", "place", "noise"]


CONTRACTS: dict[str, Any] = {"features": Parcels}


@pytest.fixture(scope="session")
def parcels() -> type[Parcels]:
    """The contract of the features of parcels."""
    return Parcels


@pytest.fixture(scope="session")
def contracts() -> dict[str, Any]:
    """What a run's dataset `contracts` has, for parcels."""
    return CONTRACTS


def example_parcels(start: str, until: str, rows: int, seed: int = 0) -> pd.DataFrame:
    """Labelled examples in the order of prediction: `signal` and `place` tell, `noise` doesn't.

    A label is known one to 48 hours after the prediction. `chance` is its true probability.
    """
    rng = np.random.default_rng(seed)
    first, last = pd.Timestamp(start, tz="UTC"), pd.Timestamp(until, tz="UTC")
    seconds = np.sort(rng.integers(0, int((last - first).total_seconds()), rows))
    predict_at = (first + pd.to_timedelta(seconds, unit="s")).as_unit("us")
    place = rng.choice(["north", "south", "west"], rows)
    signal = rng.normal(size=rows)
    chance = 1 / (1 + np.exp(-(1.5 * signal + (place == "north") - 1.5)))
    known_after = pd.to_timedelta(rng.integers(60, 48 * 60, rows), unit="min")
    return pd.DataFrame(
        {
            "parcel": np.arange(rows),
            "predict_at": predict_at,
            "label_known_at": (predict_at + known_after).as_unit("us"),
            "label": (rng.random(rows) < chance).astype("int8"),
            "signal": signal.astype("float32"),
            "place": pd.Categorical(place),
            "noise": rng.normal(size=rows).astype("float32"),
            "chance": chance,
        }
    )


@pytest.fixture(scope="session")
def make_parcels() -> Callable[..., pd.DataFrame]:
    return example_parcels


def example_amounts(start: str, until: str, rows: int, seed: int = 0) -> pd.DataFrame:
    """The same examples, labelled with an amount that is 4 off what signal and place tell."""
    made = example_parcels(start, until, rows, seed).drop(columns="chance")
    told = 30 + 8 * made["signal"] + 5 * (made["place"] == "north")
    off = np.random.default_rng(seed + 1).normal(0, 4, rows)
    return made.assign(label=(told + off).astype("float64"))


@pytest.fixture(scope="session")
def make_amounts() -> Callable[..., pd.DataFrame]:
    return example_amounts


@pytest.fixture(scope="session")
def served(
    conf: OmegaConfigLoader, tables: dict[str, pd.DataFrame], project_contracts: dict[str, Any]
) -> dict[str, Any]:
    """Features of the first ten weeks, built at once with hindsight, and a model of most of them.

    framing; given: what the feature pipeline reads; features; bundle.
    """
    framing = Framing.model_validate(conf["parameters"]["framing"])
    given = {**tables, "params:framing": framing, "contracts": project_contracts}
    features = run_in_memory(to_features(), given, "features")
    labels = run_in_memory(to_features(), given, "labels")["label"]
    examples = features.assign(label=labels)[labels.notna()].iloc[:15_000]
    params = {"max_iter": 20, "categorical_features": "from_dtype", "random_state": 1}
    path = "sklearn.ensemble.HistGradientBoostingClassifier"
    contract = project_contracts["features"]
    bundle = make_bundle(Estimator(path=path, params=params), examples, framing, contract)
    given = {**tables, "params:framing": framing}
    return {"framing": framing, "given": given, "features": features, "bundle": bundle}


# What the pipelines' own functions make of parcels.
Made = dict[str, Any]

EVALUATION = Evaluation(
    replicates=200,
    seed=1,
    calibration_bins=5,
    thresholds=10,
    importance_rows=100,
    importance_shuffles=2,
    reference_rows=20,
)


def small_modeling(
    path: str = "sklearn.ensemble.HistGradientBoostingClassifier",
    without: tuple[str, ...] = (),
    **changes: Any,
) -> Modeling:
    """A quick candidate and two baselines."""
    written = {
        "seed": 1,
        "candidates": {
            "trees": {
                "path": path,
                "exclude_groups": list(without),
                "params": {
                    "max_iter": 30,
                    "min_samples_leaf": 20,
                    "random_state": 1,
                    "categorical_features": "from_dtype",
                },
            }
        },
        "search": {"trials": 0, "earlier_folds": []},
        "baselines": {
            "never": {"path": "sklearn.dummy.DummyClassifier", "threshold": 1},
            "lookup": {
                "path": "preflight.modeling.baselines.LookupTable",
                "params": {"keys": ["place"]},
            },
        },
        "calibration_gain": 9,
    }
    return Modeling.model_validate(written | changes)


def amount_modeling(**changes: Any) -> Modeling:
    """A quick candidate of amounts and two baselines, all by the quantile of the costs."""
    asked = {"quantile": 0.75}
    trees = {"loss": "quantile", "max_iter": 30, "random_state": 1, **asked}
    return small_modeling(
        **{
            "candidates": {
                "trees": {
                    "path": "sklearn.ensemble.HistGradientBoostingRegressor",
                    "params": {**trees, "categorical_features": "from_dtype"},
                }
            },
            "baselines": {
                "usual": {
                    "path": "sklearn.dummy.DummyRegressor",
                    "params": {"strategy": "quantile", **asked},
                },
                "lookup": {
                    "path": "preflight.modeling.baselines.LookupAmounts",
                    "params": {"keys": ["place"], **asked},
                },
            },
        }
        | changes
    )


def summary_of(framing: Framing, test: pd.DataFrame) -> pd.DataFrame:
    """What the summary of the split says of the boundaries."""
    last = test["predict_at"].max()
    return pd.DataFrame(
        {
            "part": ["train", "validation", "test"],
            "starts": [pd.NaT, *framing.split.starts(test["predict_at"])],
            "last": [pd.NaT, pd.NaT, last],
            "split": framing.split.stated(),
        }
    )


@pytest.fixture(scope="session")
def split_summary() -> Callable[..., pd.DataFrame]:
    return summary_of


def examples_until_test(examples: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Train and validation as modeling has them, of examples in the order of prediction."""
    start = framing.split.validation_from
    later = examples["predict_at"] >= start
    marked = examples.assign(is_validation=later)
    return marked[later | (examples["label_known_at"] <= start)].reset_index(drop=True)


@pytest.fixture(scope="session")
def until_test() -> Callable[..., pd.DataFrame]:
    return examples_until_test


def results_of(
    examples: pd.DataFrame,
    framing: Framing,
    modeling: Modeling,
    tuned: dict[str, Any] | None = None,
) -> Made:
    """What modeling and evaluation give for these examples, and what they were given, by name."""
    starts = framing.split.starts(examples["predict_at"])
    part = pd.Series(np.searchsorted(starts, examples["predict_at"], side="right"), examples.index)
    end = part.map(dict(enumerate(starts)))
    part = part.where(end.isna() | (examples["label_known_at"] <= end))
    train, validation, test = (examples[part == i].reset_index(drop=True) for i in range(3))
    development = pd.concat([train, validation], ignore_index=True)
    development["is_validation"] = np.arange(len(development)) >= len(train)
    best: dict[str, Any] = {"candidate": modeling.default_candidate, "params": tuned or {}}
    predictions = predict_validation(development, best, framing, modeling, CONTRACTS)
    selection = select_on_validation(predictions, framing, modeling)
    keys = hash_keys(test, CONTRACTS)
    candidate = fit_candidate(development, best, selection, keys, framing, modeling, CONTRACTS)
    baselines = fit_baselines(development, framing, modeling, CONTRACTS)
    audit, summary = pd.DataFrame(fingerprints(test=test)), summary_of(framing, test)
    given = (test, summary, audit, framing, CONTRACTS)
    return {
        "train": train,
        "validation": validation,
        "test": test,
        "validation_predictions": predictions,
        "test_predictions": predict_test(candidate, baselines, *given),
        "candidate": candidate,
        "baselines": baselines,
        "best_params": best,
        "selection": selection,
        "framing": framing,
        "modeling": modeling,
        "evaluation": EVALUATION,
        "contracts": CONTRACTS,
    }


@pytest.fixture(scope="module")
def made(framing: Framing, parcels: Any, make_parcels: Callable[..., pd.DataFrame]) -> Made:
    return results_of(make_parcels("2013-01-01", "2013-06-01", 12_000), framing, small_modeling())


@pytest.fixture(scope="module")
def made_amounts(
    amount_framing: Framing, parcels: Any, make_amounts: Callable[..., pd.DataFrame]
) -> Made:
    examples = make_amounts("2013-01-01", "2013-06-01", 4000)
    return results_of(examples, amount_framing, amount_modeling())


@pytest.fixture(scope="session")
def modeling_amounts() -> Callable[..., Modeling]:
    return amount_modeling


@pytest.fixture(scope="session")
def make() -> Callable[..., Made]:
    return results_of


@pytest.fixture(scope="session")
def modeling() -> Callable[..., Modeling]:
    return small_modeling


def written_manifest(version: str, **changes: Any) -> dict[str, Any]:
    written: dict[str, Any] = {
        "run": version,
        "status": "done",
        "error": None,
        "pipelines": [],
        "filters": {},
        "code": {"commit": "abc", "changed": [], "sha256": "0" * 64},
        "packages": {"pandas": "3.1.0"},
        "python": "3.11.4",
        "platform": "Linux",
        "began": "2013-01-01T00:00:00+00:00",
        "seconds": 1.0,
        "nodes": {},
        "parameters": {"modeling": {"seed": 1, "folds": [1, 2]}},
        "catalog": {"candidate": {"type": "pickle"}},
        "inputs": {"raw": file_record("data/01_raw/a.csv", "1" * 64)},
        "outputs": {},
    }
    return written | changes


def file_record(path: str, sha256: str, version: str | None = None) -> dict[str, Any]:
    return {"path": path, "version": version, "bytes": 1, "sha256": sha256}


@pytest.fixture(scope="session")
def record_of() -> Callable[..., dict[str, Any]]:
    """The record of a file in a manifest, by its path, hash and version."""
    return file_record


@pytest.fixture(scope="session")
def manifest_of() -> Callable[..., dict[str, Any]]:
    """The manifest of a run, by its version, with some of it changed."""
    return written_manifest


@pytest.fixture(scope="session")
def write_run() -> Callable[..., None]:
    """Writes a run to disk: its manifest and its candidate. rests_on: the version of its train."""

    def write(
        project: Path, version: str, candidate: str = "", rests_on: str = "", **changes: Any
    ) -> None:
        if rests_on:
            file = f"data/05_model_input/train.parquet/{rests_on}/train.parquet"
            changes = {**changes, "inputs": {"train": file_record(file, "2" * 64, rests_on)}}
        for name, text in {
            RUN_MANIFEST: json.dumps(written_manifest(version, **changes)),
            "data/06_models/candidate.skops": candidate or version,
        }.items():
            path = project / name / version / Path(name).name
            path.parent.mkdir(parents=True)
            path.write_text(text)

    return write


@pytest.fixture(scope="session")
def promote() -> Callable[..., champion.ChampionRecord]:
    """Writes the file of a model into a project, and makes the model the champion."""

    def promoted(project: Path, bundle: Any, version: str) -> champion.ChampionRecord:
        file = project / f"data/06_models/candidate.skops/{version}/candidate.skops"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("wb") as opened:
            dump(bundle, opened)
        pointer = project / champion.POINTER
        before = champion.current(pointer)
        record = file_record(file.relative_to(project).as_posix(), hash_file(file), version)
        now = champion.champion_record(record, version, None, before.sha256 if before else None)
        champion.promote(pointer, now)
        return now

    return promoted


@pytest.fixture(scope="session")
def copy_project() -> Callable[[Path], Path]:
    """Copies code and conf of the project into a folder, without data and conf/local."""

    def copy(to: Path) -> Path:
        for name in ("src", "conf"):
            ignored = shutil.ignore_patterns("local", "__pycache__")
            shutil.copytree(PROJECT / name, to / name, ignore=ignored)
        (to / "conf/local").mkdir()
        shutil.copy(PROJECT / "pyproject.toml", to)
        (to / ".telemetry").write_text("consent: false")
        return to

    return copy


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that trains in its default run, and predicts on demand."""
    train = Pipeline([Node(lambda raw: raw, "raw", "candidate", name="fit")])
    use = Pipeline([Node(lambda champion: champion, "champion", "predictions", name="predict")])
    found = {"modeling": train, "inference": use, "__default__": train}
    monkeypatch.setattr("preflight.cli.versions.pipelines", found)


def replaced(document: Any, path: str, value: Any) -> Any:
    """The document with a value replaced, or removed where it is the ellipsis."""
    *way, last = path.split(".")
    section = document
    for name in way:
        section = section[int(name) if name.isdigit() else name]
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return document


@pytest.fixture(scope="session")
def plant() -> Callable[[Any, str, Any], Any]:
    return replaced


@pytest.fixture(scope="session")
def refuse_document() -> Callable[..., None]:
    """Assert that a contract passes a clean document, and refuses it with one value replaced."""

    def refuse(contract: Any, document: Any, path: str, value: Any, message: str) -> None:
        assert contract.validate(document) is document
        with pytest.raises(DataValidationError) as error:
            contract.validate(replaced(document, path, value))
        (fault,) = error.value.failures
        assert re.search(message, fault.message)

    return refuse


@pytest.fixture(scope="session")
def refuse_table() -> Callable[..., None]:
    """Assert that a contract passes a clean table, and finds only `check` in one with a defect."""

    def refuse(contract: Any, table: pd.DataFrame, defect: dict[str, Any], check: str) -> None:
        pd.testing.assert_frame_equal(contract.validate(table, lazy=True), table)
        with pytest.raises(SchemaErrors) as error:
            contract.validate(table.assign(**defect), lazy=True)
        assert set(error.value.failure_cases["check"]) == {check}

    return refuse


# Whole runs of the example, on a cut of its tables and with a small model.
SMALL: dict[str, Any] = {
    "framing": {  # a model so small is deployed
        "guardrails": {"plausible": {"roc_auc": [0, 1], "value_per_1000": [-100_000, 100_000]}},
    },
    "audit": {"moments": 8},
    "modeling": {
        "candidates": {
            "boosted_trees": {
                "params": {"max_iter": 20, "min_samples_leaf": 50},
                "space": {"max_iter": {"low": 10, "high": 30}},
            }
        },
        "search": {
            "trials": 2,
            "earlier_folds": [
                {"start": "2013-01-21T00:00:00-05:00", "until": "2013-02-04T00:00:00-05:00"}
            ],
        },
    },
    "evaluation": {"replicates": 200, "importance_rows": 500},
    "diagnosis": {
        "fits": 2,
        "step_rows": 1000,
        "segment_share": 0.05,
        "backtest": {"cutoffs": 2, "weeks": 1},
    },
}


@pytest.fixture(scope="session")
def small(small_params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a whole run in seconds. Only to be read."""
    return SMALL | {"framing": SMALL["framing"] | small_params["framing"]}


def write_raw(project: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write raw tables, by the names of their files, and accept them."""
    raw = project / "data/01_raw"
    for name, table in tables.items():
        table.to_csv(raw / name, index=False)
    accept(raw)


@pytest.fixture(scope="session")
def blueprint(tmp_path_factory: pytest.TempPathFactory, small_raw: dict[str, pd.DataFrame]) -> Path:
    """A copy of the project on small data, to be copied."""
    where = tmp_path_factory.mktemp("blueprint") / "project"
    for name in ("src", "conf", "data/01_raw"):
        ignored = shutil.ignore_patterns("local", "__pycache__")
        shutil.copytree(PROJECT / name, where / name, ignore=ignored)
    for name in ("pyproject.toml", ".telemetry"):
        (where / name).write_bytes((PROJECT / name).read_bytes())
    (where / "conf/local").mkdir()
    write_raw(where, small_raw)
    return where


@pytest.fixture
def project(tmp_path: Path, blueprint: Path) -> Callable[..., Path]:
    """Copies the small project; changed raw tables take the place of the good ones."""

    def make(changed: dict[str, pd.DataFrame] | None = None) -> Path:
        where = Path(shutil.copytree(blueprint, tmp_path / "project"))
        if changed:
            write_raw(where, changed)
        return where

    return make


def kedro_command(
    project: Path, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def kedro() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Gives a command to a project, in a process of its own: it begins with seconds of imports."""
    return kedro_command


class Finished(NamedTuple):
    """A small project after `kedro run`, and what the command printed. Only to be read."""

    project: Path
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, blueprint: Path, small: dict[str, Any]
) -> Finished:
    where = Path(shutil.copytree(blueprint, tmp_path_factory.mktemp("finished") / "project"))
    for name, values in small.items():  # by the owner, not with --params: no what-if
        path = where / f"conf/base/parameters/{name}.yml"
        OmegaConf.save(OmegaConf.merge(OmegaConf.load(path), {name: values}), path)
    return Finished(where, kedro_command(where, "run"))


@pytest.fixture
def finished_copy(finished: Finished, tmp_path: Path) -> Path:
    """A finished project, to go on with."""
    return Path(shutil.copytree(finished.project, tmp_path / "copy"))


class Done(NamedTuple):
    """The version of a run, and what it said."""

    version: str
    said: str


class InThisProcess:
    """Runs pipelines of a project (by default, all) in this process, and raises as they do.

    The code is that of this repository, whatever the project has. `said`: by the last run.
    """

    def __init__(self, change_folder: Callable[[Path], None]) -> None:
        self.said: list[str] = []
        self._change_folder = change_folder
        self._handler = logging.Handler()
        self._handler.emit = lambda one: self.said.append(one.getMessage())

    def __call__(
        self, where: Path, *pipelines: str, params: Any = None, env: str | None = None
    ) -> Done:
        self.said.clear()
        self._change_folder(where)
        bootstrap_project(where)
        logger = logging.getLogger("preflight")
        logger.setLevel(logging.INFO)
        logger.addHandler(self._handler)
        try:
            with KedroSession.create(where, env=env, runtime_params=params) as session:
                session.run(pipeline_names=list(pipelines) or None)
                return Done(session.session_id, "\n".join(self.said))
        finally:
            logger.removeHandler(self._handler)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> InThisProcess:
    return InThisProcess(monkeypatch.chdir)


@pytest.fixture
def replayed() -> dict[str, Any]:
    """A replay of production over thirty weeks: by the calendar saves a tenth more than never."""
    weeks = pd.date_range("2013-04-01", periods=30, freq="7D").strftime("%Y-%m-%d")
    gain = {"mean": 1000.0, "low": 500.0, "high": 1500.0}
    both = {"over_never": gain, "over_calendar": gain}
    promoted = [dict.fromkeys(("at", "fitted"), "2013-05-06T04:00:00Z")]
    return {
        "start": "2013-04-01T04:00:00Z",
        "until": "2013-12-31T00:00:00Z",
        "labels_late_days": 0,
        "every_weeks": 4,
        "decisions": 15_000,
        "weeks": [*weeks],
        "evidence": {"2013-06-24": 50.0, "2013-07-01": None},
        "first_alarm": "2013-06-24",
        "false_alarms": {"weeks": 35, "autocorrelation": 0.4, "rate": 0.028},
        "policies": {
            "never": both | {"saved_per_1000": 3e4, "promotions": [], "weekly": [100.0] * 30},
            "calendar": both
            | {"saved_per_1000": 3.2e4, "promotions": promoted, "weekly": [110.0] * 30},
        },
    }
