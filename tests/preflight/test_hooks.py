"""The hooks of a run: the place of an error, and the runs that leave a manifest."""

import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from kedro.config import MissingConfigException, OmegaConfigLoader
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, DatasetError, MemoryDataset, Version
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner
from kedro.validation import DataValidationError
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset

from preflight.contracts.exact import narrow
from preflight.contracts.raw_table import RawTable, read_by_contract
from preflight.contracts.table import column
from preflight.errors import RunError, explain
from preflight.evaluation.ledger import EvaluationLedger
from preflight.features.split import split_examples
from preflight.hooks.guards import (
    DefaultHooks,
    _assert_test_counted,
    _require_contracts,
    _warn_of_the_future,
)
from preflight.hooks.manifest import FILTERS, ManifestHooks
from preflight.hooks.messages import ErrorHooks
from preflight.runs.manifest import RUN_MANIFEST, read_manifest

RUN_PARAMS: dict[str, Any] = {
    "run_id": "2013-01-01T00.00.00.000Z",
    "pipeline_names": None,
    **dict.fromkeys(FILTERS),
}


def run(pipeline: Pipeline, catalog: DataCatalog, *hooks: Any) -> None:
    """Run a pipeline with hooks, as Kedro's session does."""
    manager = _create_hook_manager()
    for hook in hooks:
        manager.register(hook)
    given = {"run_params": RUN_PARAMS, "pipeline": pipeline, "catalog": catalog}
    manager.hook.before_pipeline_run(**given)
    try:
        SequentialRunner().run(pipeline, catalog, manager)
    except Exception as error:
        manager.hook.on_pipeline_error(error=error, **given)
        raise
    manager.hook.after_pipeline_run(run_result={}, **given)


def clean_parcels(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.apply(narrow, dtype="int8")


def stop(raw: pd.DataFrame) -> pd.DataFrame:
    raise ValueError("a bug")


def one_node(function: Callable[..., Any], table: pd.DataFrame) -> tuple[Pipeline, DataCatalog]:
    catalog = DataCatalog({"raw": MemoryDataset(table), "parcels": MemoryDataset()})
    return Pipeline([Node(function, "raw", "parcels", name="clean")]), catalog


@pytest.mark.filterwarnings("ignore:.*partial:UserWarning")
@pytest.mark.parametrize("function", [clean_parcels, partial(clean_parcels)])
def test_the_error_of_a_function_of_the_project_names_function_and_node(
    function: Callable[..., Any],
) -> None:
    run(*one_node(function, pd.DataFrame({"weight": [7]})), ErrorHooks())
    with pytest.raises(RunError) as error:
        run(*one_node(function, pd.DataFrame({"weight": [700]})), ErrorHooks())
    first, where = (explain(error.value) or "").splitlines()
    assert "Column 'weight' has 1 value that int8 can't hold, e.g. 700" in first
    assert where == f"Where: {__name__}.clean_parcels, node clean."


def test_a_bug_stays_a_bug_and_an_error_of_the_engine_stays_its_own() -> None:
    with pytest.raises(ValueError, match="a bug") as error:
        run(*one_node(stop, pd.DataFrame()), ErrorHooks())
    assert explain(error.value) is None

    inputs = ["features", "labels", "params:framing", "contracts"]
    engine = Node(split_examples, inputs, "parts", name="split")
    refusal = RunError("The split leaves test without examples.")
    ErrorHooks().on_node_error(refusal, engine)
    assert explain(refusal) == str(refusal)


class Weights(RawTable, key=["parcel"]):
    """One row per parcel."""

    parcel: int = column("the parcel")
    weight: float = column("weight", "kg", ge=0)


@pytest.fixture
def catalog(tmp_path: Path) -> DataCatalog:
    """A raw file and a versioned table, with the manifest of runs."""
    (tmp_path / "weights.csv").write_text("parcel,weight\n1,7\n2,8\n3,9\n")
    version = {"versioned": True, "type": "preflight.datasets.ParquetTable"}
    entries: dict[str, Any] = {
        "raw": {
            "type": "pandas.CSVDataset",
            "filepath": str(tmp_path / "weights.csv"),
            "validator": f"{__name__}.Weights",
        },
        "parcels": {**version, "filepath": str(tmp_path / "parcels.parquet")},
        "run_manifest": {
            "type": "json.JSONDataset",
            "versioned": True,
            "filepath": str(tmp_path / RUN_MANIFEST),
            "validator": "preflight.runs.contracts.run_manifest",
        },
    }
    made = DataCatalog.from_config(entries, save_version=RUN_PARAMS["run_id"])
    read_by_contract(made)
    return made


@pytest.fixture
def manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManifestHooks:
    """The hook, in a project whose settings are those of conf/base."""
    monkeypatch.setattr("preflight.runs.what_if.find_what_ifs", lambda *_: [])
    hook = ManifestHooks()
    context = SimpleNamespace(project_path=tmp_path, params={}, config_loader={"catalog": {}})
    hook.after_context_created(context)
    return hook


def weigh(raw: pd.DataFrame) -> pd.DataFrame:
    return raw.assign(weight=narrow(raw["weight"], "int8"))


def read(parcels: pd.DataFrame) -> int:
    return len(parcels)


WEIGH = Node(weigh, "raw", "parcels", name="weigh")
READ = Node(read, "parcels", "rows", name="read")


def test_a_run_that_is_done_leaves_a_manifest_without_an_error(
    catalog: DataCatalog, manifests: ManifestHooks, tmp_path: Path
) -> None:
    run(Pipeline([WEIGH, READ]), catalog, manifests, ErrorHooks())
    made = read_manifest(tmp_path, RUN_PARAMS["run_id"])
    assert (made["status"], made["error"]) == ("done", None)
    assert list(made["nodes"]) == ["weigh", "read"]


EARLY = {
    "a broken contract of a raw file": ("1,-7", "breaks its contract Weights"),
    "an error in cleaning": ("1,700", "that int8 can't hold, e.g. 700"),
    "a bug in cleaning": (None, "ValueError('a bug')"),
}


@pytest.mark.parametrize("case", EARLY)
def test_a_run_that_fails_in_its_first_node_leaves_a_manifest_with_the_error(
    case: str, catalog: DataCatalog, manifests: ManifestHooks, tmp_path: Path
) -> None:
    row, error = EARLY[case]
    if row:
        (tmp_path / "weights.csv").write_text(f"parcel,weight\n{row}\n")
    node = WEIGH if row else Node(stop, "raw", "parcels", name="stop")
    with pytest.raises(Exception):  # noqa: B017 - the message of each is checked below
        run(Pipeline([node]), catalog, manifests, ErrorHooks())
    left = read_manifest(tmp_path, RUN_PARAMS["run_id"])
    assert left["status"] == "failed"
    assert error in left["error"]
    assert (left["nodes"], left["outputs"]) == ({}, {})
    assert list(left["inputs"]) == ["raw"]


def message_of(catalog: DataCatalog, *nodes: Node) -> str:
    with pytest.raises(Exception) as error:
        run(Pipeline(nodes), catalog, ErrorHooks())
    return explain(error.value) or ""


FAULTS = {
    "parcel,weight\n1,7\n2,-8\n3,-9\n": "is below 0: 2 values, e.g. -8.0 (data row 2), -9.0",
    "parcel,weight\n1,7\n2,8\n2,9\n": "key parcel is not unique: 2 rows, e.g. 2 (data row 2); 2",
    "parcel,weight\n1,7\n2,x\n": "that float64 can't hold: 1 value, e.g. x (data row 2)",
    "parcel,weight\n1,7\n,8\n": "column parcel has missing values: 1 value, e.g. None (data row 2)",
    # pandas reads whole numbers as floats next to a missing one
    "parcel,weight\n9007199254740993,7\n,8\n": "e.g. about 9007199254740992 (data row 1)",
    "parcel\n1\n": "column weight is missing",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_of_a_raw_file_names_file_and_row(
    text: str, catalog: DataCatalog, tmp_path: Path
) -> None:
    run(Pipeline([WEIGH]), catalog, ErrorHooks())
    (tmp_path / "weights.csv").write_text(text)
    message = message_of(catalog, WEIGH)
    file = os.path.relpath(tmp_path / "weights.csv")
    first = f"Dataset 'raw', as read, breaks its contract Weights (file {file}):"
    assert message.startswith(f"{first}\n")
    assert FAULTS[text] in message


def second_version(catalog: DataCatalog, tmp_path: Path) -> Path:
    """Return the file of the newest of two versions."""
    for version in ("2013-01-01T00.00.00.000Z", "2013-01-02T00.00.00.000Z"):
        path = tmp_path / "parcels.parquet" / version / "parcels.parquet"
        path.parent.mkdir(parents=True)
        pd.DataFrame({"parcel": [version]}).to_parquet(path)
    return path


@pytest.mark.parametrize("left", [0, 3, 200, -1])
def test_a_damaged_file_is_one_message_with_path_and_remedies(
    left: int, catalog: DataCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = {"__default__": Pipeline([]), "weighing": Pipeline([WEIGH])}
    monkeypatch.setattr("preflight.hooks.messages.pipelines", registered)
    path = second_version(catalog, tmp_path)
    run(Pipeline([READ]), catalog, ErrorHooks())
    path.write_bytes(path.read_bytes()[:left])
    file = Path(os.path.relpath(path))
    assert message_of(catalog, READ) == (
        f"The file of 'parcels' is damaged: {file}. Delete the folder {file.parent}: runs then "
        "read the version before it. Or make 'parcels' again: kedro run --pipelines weighing"
    )
    shutil.rmtree(path.parent)
    catalog["parcels"].release()
    run(Pipeline([READ]), catalog, ErrorHooks())
    (first,) = tmp_path.glob("parcels.parquet/*/parcels.parquet")
    first.write_bytes(b"?")
    message = message_of(catalog, READ)
    assert "Delete" not in message  # there is no version before it
    assert message.endswith("Make 'parcels' again: kedro run --pipelines weighing")


def test_a_file_that_is_not_there_is_named_with_the_stage_that_makes_it(
    catalog: DataCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = {"__default__": Pipeline([WEIGH]), "weighing": Pipeline([WEIGH])}
    for registered, remedy in (stages, "Make it: kedro run --pipelines weighing. "), ({}, ""):
        monkeypatch.setattr("preflight.hooks.messages.pipelines", registered)
        assert message_of(catalog, READ) == (
            f"There is no 'parcels' yet: {os.path.relpath(tmp_path / 'parcels.parquet')}. "
            f"{remedy}`make run` makes all from the raw data."
        )
    second_version(catalog, tmp_path)
    catalog["parcels"].release()
    run(Pipeline([READ]), catalog, ErrorHooks())


def test_a_damaged_document_has_the_remedies_too(catalog: DataCatalog, tmp_path: Path) -> None:
    path = tmp_path / RUN_MANIFEST / RUN_PARAMS["run_id"] / "run_manifest.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"run": ')
    node = Node(read, "run_manifest", "rows", name="read")
    message = message_of(catalog, node)
    assert message.startswith("The file of 'run_manifest' is damaged: ")
    assert "Restore the file" in message  # no stage makes it, and there is no version before it
    assert "Delete" not in message


def test_a_file_that_may_not_be_read_or_a_wrong_argument_is_no_damage(
    catalog: DataCatalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    second_version(catalog, tmp_path)
    catalog["parcels"]._load_args = {"no_such_argument": 1}
    assert "no_such_argument" in message_of(catalog, READ)
    catalog["parcels"]._load_args = {}

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pandas.read_parquet", refuse)
    message = message_of(catalog, READ)
    assert "Permission denied" in message
    assert "damaged" not in message


def give(what: Any) -> Any:
    return what


def test_a_node_is_given_the_version_of_its_run(manifests: ManifestHooks) -> None:
    catalog = DataCatalog({name: MemoryDataset() for name in ("run_version", "given")})
    run(Pipeline([Node(give, "run_version", "given", name="give")]), catalog, manifests)
    assert catalog.load("given") == RUN_PARAMS["run_id"]


PREDICT = Node(give, "test", "test_predictions", name="evaluation.predict_test")
COUNT = Node(
    lambda predictions, earlier: (earlier, predictions),
    ["test_predictions", "earlier_evaluations"],
    ["test_evaluations", "test_usage"],
    name="evaluation.count_test_evaluation",
)


def test_a_run_that_would_use_the_test_set_without_counting_it_does_not_begin(
    tmp_path: Path,
) -> None:
    ledger = tmp_path / "test_evaluations.jsonl"
    catalog = DataCatalog({"earlier_evaluations": EvaluationLedger(str(ledger))})
    for nodes in ([PREDICT, COUNT], [COUNT], [READ]):
        _assert_test_counted(Pipeline(nodes), catalog)
    with pytest.raises(RunError, match=r"leaves out evaluation\.count_test_evaluation"):
        _assert_test_counted(Pipeline([PREDICT]), catalog)
    ledger.write_text("?\n")
    _assert_test_counted(Pipeline([READ]), catalog)
    with pytest.raises(DatasetError, match=r"test_evaluations\.jsonl, line 1"):
        _assert_test_counted(Pipeline([PREDICT, COUNT]), catalog)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'id,name\n1,a\n2,"b\n', "data row 2: a quote is opened and never closed. Close it"),
        (
            b"id;name\n1;a\n",
            "header: values are separated by semicolons. Write load_args",
        ),
    ],
)
def test_a_damaged_csv_is_described_by_its_row_and_remedy(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "parcels.csv"
    path.write_bytes(content)
    catalog = DataCatalog({"raw": CSVDataset(filepath=str(path)), "given": MemoryDataset()})
    broken = DataValidationError("not a Parcels")
    broken.dataset_name, broken.mode = "raw", "load"

    def check(raw: pd.DataFrame) -> pd.DataFrame:
        raise broken

    read = Pipeline([Node(check, "raw", "given", name="check")])
    with pytest.raises((DatasetError, DataValidationError)) as error:
        run(read, catalog, ErrorHooks())
    told = explain(error.value) or ""
    assert "parcels.csv, " in told
    assert said in told
    assert "\n" not in told


def test_a_run_without_contracts_promotes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = DataCatalog()
    promote = Pipeline([Node(give, "candidate", "promotion", name="promote")])
    _require_contracts(promote, catalog)
    monkeypatch.setenv("KEDRO_DATASET_VALIDATION", "false")
    _require_contracts(Pipeline([READ]), catalog)
    with pytest.raises(RunError, match=r"KEDRO_DATASET_VALIDATION is off.*Unset it"):
        _require_contracts(promote, catalog)


def test_an_input_of_the_future_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def parcels(load: str | None = None) -> DataCatalog:
        version = Version(load, None)
        dataset = JSONDataset(filepath=str(tmp_path / "parcels.json"), version=version)
        return DataCatalog({"parcels": dataset})

    read = Pipeline([Node(give, "parcels", "given", name="give")])
    for version in ("2013-01-01T00.00.00.000Z", "2999-01-01T00.00.00.000Z"):
        folder = tmp_path / "parcels.json" / version
        _warn_of_the_future(read, parcels())
        assert caplog.text == ""
        folder.mkdir(parents=True)
        (folder / "parcels.json").write_text("{}")
    _warn_of_the_future(read, parcels("2013-01-01T00.00.00.000Z"))  # pinned by the user
    assert caplog.text == ""
    _warn_of_the_future(read, parcels())
    assert "parcels has version 2999-01-01T00.00.00.000Z, which is after now" in caplog.text


def test_models_that_nobody_stated_are_filled_in_before_anything_reads_the_settings(
    tmp_path: Path,
) -> None:
    conf = tmp_path / "base"
    conf.mkdir()
    (tmp_path / "local").mkdir()
    decision = "decision: {unit: parcel, label: arrives broken}"
    (conf / "parameters.yml").write_text(
        f"framing: {{{decision}, costs: {{fp: 3, fn: 15}}}}\nmodeling: {{search: {{trials: 0}}}}\n"
    )
    given = {"framing": {"costs": {"fn": 30}}}
    loader = OmegaConfigLoader(
        str(tmp_path), base_env="base", default_run_env="local", runtime_params=given
    )
    DefaultHooks().after_context_created(SimpleNamespace(config_loader=loader))
    found = loader["parameters"]
    assert found["framing"]["costs"] == {"fp": 3, "fn": 30}
    assert found["framing"]["baselines"] == ["never_act", "logistic_regression"]
    assert [*found["modeling"]["candidates"]] == ["boosted_trees"]


def test_a_project_without_parameters_is_left_alone(tmp_path: Path) -> None:
    for folder in ("base", "local"):
        (tmp_path / folder).mkdir()
    loader = OmegaConfigLoader(str(tmp_path), base_env="base", default_run_env="local")
    DefaultHooks().after_context_created(SimpleNamespace(config_loader=loader))
    with pytest.raises(MissingConfigException):
        loader["parameters"]
