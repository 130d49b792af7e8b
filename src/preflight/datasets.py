"""Datasets that Kedro's own do not quite provide."""

import pandas as pd
from kedro_datasets._typing import TablePreview
from kedro_datasets.pandas import ParquetDataset


class ParquetTable(ParquetDataset):  # type: ignore[misc]
    """A Parquet file whose preview shows a missing moment as an empty cell.

    Kedro-Viz 12.5 stops with "'float' object cannot be interpreted as an integer" on pandas' NaT.
    """

    def preview(self, nrows: int = 5) -> TablePreview:
        """Return the first rows as Kedro-Viz wants them, by columns and rows."""
        table = super().preview(nrows)
        rows = table["data"]
        table["data"] = [[None if cell is pd.NaT else cell for cell in row] for row in rows]
        return table
