"""No run begins with contracts, settings, a graph or raw data that it could not go by."""

import logging
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline
from kedro.validation import ValidationConfigurationError

from preflight.errors import RunError
from preflight.runs.raw_files import MANIFEST, verify

log = logging.getLogger(__name__)
CONTRACTS, FEATURE_GRAPH = "contracts", "feature_graph"  # datasets that are filled here


class ContractHooks:
    """No run begins with a contract that does not exist, or without saying that none is checked."""

    @hook_impl
    def after_catalog_created(self, catalog: Any) -> None:
        """Load every contract now: a misspelt one would be found at its first use.

        The datasets `contracts` and `feature_graph` are filled: nodes read the contract of each
        table, and the graph that features are made by. A CSV file with a raw contract is read with
        the types of that contract.
        """
        # here, as every kedro command loads this module
        from preflight.contracts.catalog import contracts_of, tables

        found: dict[str, Any] = {}
        faults = ["The catalog names contracts that can't be loaded:"]
        for name, spec in catalog.validator_specs.items():
            try:
                found |= contracts_of({name: spec})
            except ValidationConfigurationError as error:
                faults.append(f"{name}: {error}")
        if faults[1:]:
            raise RunError("\n  - ".join(faults))
        if CONTRACTS in catalog:
            catalog[CONTRACTS].save(tables(found))
        if FEATURE_GRAPH in catalog:
            catalog[FEATURE_GRAPH].save(pipelines["feature_engineering"].to_outputs("features"))
        if catalog._is_validation_enabled():
            # here, as the catalog's contracts load it
            from preflight.contracts.raw_table import read_by_contract

            read_by_contract(catalog)
        else:
            log.warning(
                "KEDRO_DATASET_VALIDATION is off: no contract is enforced. "
                "Do not deploy a model of this run."
            )


class GuardHooks:
    """No run begins with settings, a graph or raw data that it could not go by."""

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: Any
    ) -> None:
        """Refuse before the first node."""
        _reject_unknown_parameters(run_params["runtime_params"])
        _validate_references(pipeline, catalog)
        _assert_test_isolated(pipelines["__default__"])
        _verify_raw_data(pipeline, catalog)


def _reject_unknown_parameters(given: dict[str, Any]) -> None:
    """Refuse a misspelt parameter; those below the first level are refused by their types."""
    read = {
        name.removeprefix("params:").split(".")[0]
        for pipeline in pipelines.values()
        for name in pipeline.inputs()
        if name.startswith("params:")
    }
    for name in set(given) - read:
        raise RunError(f"There is no parameter '{name}'. There are: {', '.join(sorted(read))}.")


def _validate_references(pipeline: Pipeline, catalog: Any) -> None:
    """Refuse a framing, and models, that name features that are not there."""
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


def _assert_test_isolated(graph: Pipeline) -> None:
    """Refuse a graph in which a path leads from `test` to `candidate`."""
    if not {"test", "candidate"} <= graph.datasets():
        return
    before = graph.to_outputs("candidate").nodes
    if readers := [node.name for node in before if "test" in node.inputs]:
        raise RunError(
            f"'test' reaches 'candidate' by way of {', '.join(readers)}: the figures on test "
            "would be worth nothing. Let evaluation alone read it."
        )


def _verify_raw_data(pipeline: Pipeline, catalog: Any) -> None:
    """Refuse a raw file that is not the one in the manifest."""
    raw: dict[Path, list[str]] = {}
    for name in pipeline.inputs():
        path = Path(getattr(catalog.get(name), "_filepath", ""))
        if path.parent.name == "01_raw" and path.name != MANIFEST:
            raw.setdefault(path.parent, []).append(path.name)
    faults = [fault for folder, names in raw.items() for fault in verify(folder, sorted(names))]
    if faults:
        lines = ["The raw data are not what their manifest says:", *faults]
        raise RunError("\n- ".join(lines))
