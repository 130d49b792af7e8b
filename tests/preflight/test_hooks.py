"""The hooks of a run: what a message says about the place of an error."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline
from kedro.runner import SequentialRunner

from preflight.contracts.exact import narrow
from preflight.errors import RunError, explain
from preflight.features.split import split_examples
from preflight.hooks.messages import ErrorHooks

RUN_PARAMS: dict[str, Any] = {"run_id": "2013-01-01T00.00.00.000Z", "pipeline_names": None}


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


def test_the_error_of_a_function_of_the_project_names_function_and_node() -> None:
    run(*one_node(clean_parcels, pd.DataFrame({"weight": [7]})), ErrorHooks())
    with pytest.raises(RunError) as error:
        run(*one_node(clean_parcels, pd.DataFrame({"weight": [700]})), ErrorHooks())
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
