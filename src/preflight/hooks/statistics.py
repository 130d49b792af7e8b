"""Rows, columns and size of each table, where Kedro-Viz looks for them."""

import json
from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl

from preflight.files import json_object, replacing

FILE = ".viz/stats.json"  # of Kedro-Viz, in the form that its own hook writes


class StatisticsHooks:
    """Write the statistics of each table that a run reads or saves.

    Kedro-Viz has such a hook. But a run writes statistics without Kedro-Viz, too; the size is that
    of the file, not of the folder of its versions; and a run of a stage keeps those of the others.
    """

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Keep the project's folder."""
        self._file = Path(context.project_path) / FILE
        self._found: dict[str, dict[str, int]] = {}

    @hook_impl
    def after_catalog_created(self, catalog: Any) -> None:
        """Keep the catalog, which knows the files."""
        self._catalog = catalog

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Keep the statistics of earlier runs: Kedro-Viz's own hook writes over them."""
        self._before = json_object(self._file) or {}

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Keep the statistics of a table that was read."""
        self._measure(dataset_name, data)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any) -> None:
        """Keep the statistics of a table that was saved."""
        self._measure(dataset_name, data)

    @hook_impl(trylast=True)  # after Kedro-Viz, which writes the same file
    def after_pipeline_run(self) -> None:
        """Write the statistics; those of tables that this run does not use stay."""
        self._file.parent.mkdir(exist_ok=True)
        with replacing(self._file) as file:
            json.dump(self._before | self._found, file)

    def _measure(self, name: str, data: Any) -> None:
        if not hasattr(data, "columns"):
            return
        found = {"rows": len(data), "columns": len(data.columns)}
        dataset = self._catalog.get(name)
        if hasattr(dataset, "_get_load_path"):
            path = Path(str(dataset._get_load_path()))
            found |= {"file_size": path.stat().st_size} if path.is_file() else {}
        self._found[name] = found
