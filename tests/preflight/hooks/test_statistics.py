"""Statistics of tables, as Kedro-Viz shows them."""

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
from kedro.io import DataCatalog
from kedro_datasets.pandas import CSVDataset

from preflight.hooks.statistics import FILE, StatisticsHooks


def test_tables_have_rows_columns_and_the_size_of_their_file(tmp_path: Path) -> None:
    catalog = DataCatalog({"prices": CSVDataset(filepath=str(tmp_path / "prices.csv"))})
    prices = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]})
    catalog["prices"].save(prices)
    (tmp_path / ".viz").mkdir()
    (tmp_path / FILE).write_text('{"earlier": {"rows": 1, "columns": 1}, "prices": {"rows": 9}}')
    hooks = StatisticsHooks()
    hooks.after_context_created(SimpleNamespace(project_path=tmp_path))
    hooks.after_catalog_created(catalog)
    hooks.before_pipeline_run()
    (tmp_path / FILE).write_text("{}")  # as Kedro-Viz does
    hooks.after_dataset_loaded("prices", prices)
    hooks.after_dataset_saved("in_memory", prices.head(1))
    hooks.after_dataset_saved("number", 3)
    hooks.after_pipeline_run()
    size = (tmp_path / "prices.csv").stat().st_size
    assert json.loads((tmp_path / FILE).read_text()) == {
        "earlier": {"rows": 1, "columns": 1},
        "prices": {"rows": 3, "columns": 2, "file_size": size},
        "in_memory": {"rows": 1, "columns": 2},
    }


def test_a_first_run_makes_the_file(tmp_path: Path) -> None:
    hooks = StatisticsHooks()
    hooks.after_context_created(SimpleNamespace(project_path=tmp_path))
    hooks.after_catalog_created(DataCatalog({}))
    hooks.before_pipeline_run()
    hooks.after_dataset_saved("table", pd.DataFrame({"a": [1]}))
    hooks.after_pipeline_run()
    assert json.loads((tmp_path / FILE).read_text()) == {"table": {"rows": 1, "columns": 1}}
