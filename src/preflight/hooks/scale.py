"""Runs on partitions: pipelines for tables that do not fit into memory."""

from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines

from preflight.hooks.guards import CLEANING_GRAPH, FEATURE_GRAPH, replayed_graph

TYPE = "preflight.scale.datasets.PartitionedTable"


class ScaleHooks:
    """Give a run whose catalog has tables in partitions the pipelines that build them."""

    def __init__(self) -> None:
        self._plain: dict[str, Any] | None = None  # the pipelines, if they were replaced

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Replace the registered pipelines, or put them back for a session without partitions."""
        if self._plain is not None:
            pipelines.update(self._plain)
            self._plain = None
        try:
            entries = context.config_loader["catalog"]
        except MissingConfigException:
            return
        partitioned = {name for name, entry in entries.items() if (entry or {}).get("type") == TYPE}
        if not partitioned:
            return
        from preflight.contracts.catalog import contracts_of, specs_of, tables
        from preflight.scale.graph import by_period

        contracts = tables(contracts_of(specs_of(entries)))
        self._plain = dict(pipelines)
        pipelines.update(by_period(self._plain, partitioned, contracts))

    @hook_impl
    def after_catalog_created(self, catalog: Any) -> None:
        """Let the audit and inference replay the pipelines as the project wrote them."""
        if self._plain is None:
            return
        for name in (FEATURE_GRAPH, CLEANING_GRAPH):
            if name in catalog:
                catalog[name].save(replayed_graph(name, self._plain))
