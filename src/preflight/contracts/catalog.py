"""The contract of each dataset, from the catalog's `validator:`."""

import warnings
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from textwrap import indent
from typing import Any

from kedro.framework.project import settings
from kedro.pipeline import Pipeline
from kedro.pipeline.preview_contract import TextPreview
from kedro.utils import KedroExperimentalWarning, find_kedro_project
from kedro.validation import ValidatorSpec, resolve_validator

from preflight.contracts.documents import DocumentContract
from preflight.contracts.table import Table

Contract = type[Table]
Contracts = Mapping[str, Contract]  # of each table, by the name of its dataset


def contracts_of(specs: Mapping[str, ValidatorSpec]) -> dict[str, Any]:
    """Return the contract of each dataset that has one: a `Table` or a `DocumentContract`.

    specs: the catalog's `validator_specs`.

    Raises:
        ValidationConfigurationError: names the contract that can't be loaded.
    """
    found = {}
    for name, spec in specs.items():
        contract = resolve_validator(spec)
        found[name] = getattr(contract, "_schema", contract)
    return found


def tables(contracts: Mapping[str, Any]) -> dict[str, Contract]:
    """Return only the contracts of tables."""
    return {n: c for n, c in contracts.items() if isinstance(c, type) and issubclass(c, Table)}


def read_catalog(project: Path | None = None) -> dict[str, Any]:
    """Return the catalog's entries as in conf, by default of the project in the current folder.

    Where a wheel of the project runs, that folder has only conf and data.
    """
    folder = project or find_kedro_project(Path.cwd()) or Path.cwd()
    loader = settings.CONFIG_LOADER_CLASS(f"{folder}/conf", **settings.CONFIG_LOADER_ARGS)
    entries: dict[str, Any] = loader["catalog"]
    return entries


def specs_of(entries: Mapping[str, Any]) -> dict[str, ValidatorSpec]:
    """Return the `validator:` of each entry that has one."""
    return {
        name: ValidatorSpec.from_dataset_config(name, entry["validator"])
        for name, entry in entries.items()
        if "validator" in entry
    }


def preview_contracts(pipelines: dict[str, Pipeline]) -> dict[str, Pipeline]:
    """Return the pipelines with nodes that show the contracts of their outputs in Kedro-Viz."""

    def previewed(pipeline: Pipeline) -> Pipeline:
        return Pipeline(
            [node._copy(preview_fn=partial(preview, node.outputs)) for node in pipeline.nodes]
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", KedroExperimentalWarning)  # that previews may change
        return {name: previewed(pipeline) for name, pipeline in pipelines.items()}


def preview(datasets: list[str]) -> TextPreview:
    """Return the description of the contracts of datasets, as Kedro-Viz shows it."""
    contracts = _project_contracts()
    described = [describe(name, contracts[name]) for name in datasets if name in contracts]
    text = "\n\n".join(described) or "It is passed on in memory, without a contract."
    # the panel cuts off the beginning of a line that is not indented
    return TextPreview(indent(text, "  "))


@cache  # Kedro-Viz asks for each node: conf is read once
def _project_contracts() -> dict[str, Any]:
    return contracts_of(specs_of(read_catalog()))


def describe(dataset: str, contract: Any) -> str:
    """Return the description of a dataset: its document or table, and each field or column."""
    if isinstance(contract, DocumentContract):
        return f"{dataset}\n{contract.described()}"
    lines = [
        f"  {name}{' (' + about['unit'] + ')' if 'unit' in about else ''}: {about['description']}"
        for name, about in contract.columns().items()
    ]
    key = ", ".join(contract.grain())
    return "\n".join([f"{dataset}: {contract.__doc__}", f"  key: {key}", *lines])
