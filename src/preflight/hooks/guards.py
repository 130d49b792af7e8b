"""Checks before a run: contracts, settings, the graph and the raw data."""

import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io.core import generate_timestamp
from kedro.pipeline import Pipeline
from kedro.validation import ValidationConfigurationError

from preflight.errors import RunError
from preflight.hooks.isolation import require_test_isolated
from preflight.runs.manifest import VERSION
from preflight.runs.raw_files import MANIFEST, verify, verify_folder

log = logging.getLogger(__name__)
# datasets that are filled here
CONTRACTS, FEATURE_GRAPH, CLEANING_GRAPH = "contracts", "feature_graph", "cleaning_graph"
PREVIEW = "preview"  # the pipeline, its namespace and its result
PROMOTION = "promotion"  # saving this dataset changes the champion


class DefaultHooks:
    """Fill in the settings that follow from others."""

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Give the context its parameters with models by the task, where none are stated."""
        from preflight.modeling.defaults import complete  # every kedro command loads this module

        with contextlib.suppress(MissingConfigException):
            context.config_loader["parameters"] = complete(context.config_loader["parameters"])


class ContractHooks:
    """Load all contracts before a run, and warn if contracts are off."""

    @hook_impl
    def after_catalog_created(self, catalog: Any) -> None:
        """Load every contract, so that a misspelt one is found before the run.

        Fill the datasets `contracts` (the contract of each table), `feature_graph` (the pipeline
        that computes the features) and `cleaning_graph` (the one before it). Let CSV files with a
        raw contract be read by its types.
        """
        # imported here, because every kedro command loads this module
        from preflight.contracts.catalog import contracts_of, tables

        contracts: dict[str, Any] = {}
        faults = ["The catalog names contracts that can't be loaded:"]
        for name, spec in catalog.validator_specs.items():
            try:
                contracts |= contracts_of({name: spec})
            except ValidationConfigurationError as error:
                faults.append(f"{name}: {error}")
        if faults[1:]:
            raise RunError("\n  - ".join(faults))
        if CONTRACTS in catalog:
            catalog[CONTRACTS].save(tables(contracts))
        for name in (FEATURE_GRAPH, CLEANING_GRAPH):
            if name in catalog:
                catalog[name].save(replayed_graph(name, pipelines))
        if catalog._is_validation_enabled():
            from preflight.contracts.raw_table import read_by_contract

            read_by_contract(catalog)
        else:
            log.warning(
                "KEDRO_DATASET_VALIDATION is off: no contract is enforced. "
                "Do not deploy a model of this run."
            )


def replayed_graph(name: str, pipelines: Mapping[str, Pipeline]) -> Pipeline:
    """Return the pipeline that makes `features`, or the one that makes the primary tables."""
    if name == FEATURE_GRAPH:
        return pipelines["feature_engineering"].to_outputs("features")
    return pipelines["data_engineering"]


class GuardHooks:
    """Stop a run before its first node if settings, graph or raw data are not valid."""

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Check parameters, references to features, isolation and count of test, and raw data.

        A promotion needs contracts, and inputs of the future are named.
        """
        _require_contracts(pipeline, catalog)
        _warn_of_the_future(pipeline, catalog)
        _reject_unknown_parameters(run_params["runtime_params"])
        _validate_references(pipeline, catalog)
        require_test_isolated(pipelines["__default__"], catalog)
        for_preview = pipelines.get(PREVIEW, Pipeline([]))
        require_test_isolated(for_preview, catalog, PREVIEW, space=f"{PREVIEW}.")
        _assert_test_counted(pipeline, catalog)
        _verify_raw_data(pipeline, catalog)


def _require_contracts(pipeline: Pipeline, catalog: Any) -> None:
    """Refuse a promotion by a run without contracts: it could promote anything."""
    if PROMOTION in pipeline.all_outputs() and not catalog._is_validation_enabled():
        raise RunError(
            "KEDRO_DATASET_VALIDATION is off, so no contract would hold what is promoted. Unset it."
        )


def _warn_of_the_future(pipeline: Pipeline, catalog: Any) -> None:
    """Warn of inputs with a version after now: they are loaded instead of newer ones."""
    now = generate_timestamp()
    for name in sorted(pipeline.inputs()):
        dataset = catalog.get(name)
        if getattr(dataset, "_version", None) is None or dataset._version.load:
            continue
        folder = Path(dataset._filepath)
        versions = {path.parent.name for path in folder.glob("*/*")}
        if later := [one for one in sorted(versions) if VERSION.fullmatch(one) and one > now]:
            log.warning(
                "%s has version %s, which is after now, so newer ones are not loaded. Correct the "
                "clock, or delete %s",
                name,
                later[-1],
                folder / later[-1],
            )


def _reject_unknown_parameters(given: dict[str, Any]) -> None:
    """Refuse a misspelt parameter of the first level; types refuse those below."""
    parameters = {
        name.removeprefix("params:").split(".")[0]
        for pipeline in pipelines.values()
        for name in pipeline.inputs()
        if name.startswith("params:")
    }
    for name in set(given) - parameters:
        names = ", ".join(sorted(parameters))
        raise RunError(f"There is no parameter '{name}'. There are: {names}.")


def _validate_references(pipeline: Pipeline, catalog: Any) -> None:
    """Refuse a framing, or models, that name features that do not exist."""
    inputs, faults = pipeline.inputs(), []
    if "params:framing" in inputs:
        contract = catalog.load(CONTRACTS)["features"]
        framing = catalog.load("params:framing")
        faults += framing.unknown_columns(contract.names())
        if "params:modeling" in inputs:
            faults += catalog.load("params:modeling").configuration_errors(
                framing, contract.groups()
            )
    if faults:
        lines = [f"  - {fault}" for fault in faults]
        features = f"Features are: {', '.join(contract.names())}; slices may have month."
        raise RunError("\n".join(["The settings don't fit together:", *lines, features]))


def _assert_test_counted(pipeline: Pipeline, catalog: Any) -> None:
    """Refuse a run that evaluates a candidate on `test` and can't count it."""
    made = pipeline.all_outputs()
    if "test_predictions" in made and "test_evaluations" not in made:
        raise RunError(
            "The run leaves out evaluation.count_test_evaluation, so it would use the test set "
            "without counting it. Run the whole stage: kedro run --pipelines evaluation"
        )
    if "earlier_evaluations" in pipeline.inputs():
        catalog.load("earlier_evaluations")  # a damaged line stops the run here, not hours later


def _verify_raw_data(pipeline: Pipeline, catalog: Any) -> None:
    """Refuse a raw file that differs from the manifest."""
    raw: dict[Path, list[str]] = {}
    faults: list[str] = []
    for name in pipeline.inputs():
        path = Path(getattr(catalog.get(name), "_filepath", ""))
        if path.parent.name != "01_raw" or path.name == MANIFEST:
            continue
        if path.is_dir():
            faults += verify_folder(path)
        else:
            raw.setdefault(path.parent, []).append(path.name)
    faults += [fault for folder, names in raw.items() for fault in verify(folder, sorted(names))]
    if faults:
        raise RunError("\n- ".join(["The raw data differ from their manifest:", *faults]))
