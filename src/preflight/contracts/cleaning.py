"""The contract of the log that cleaning writes."""

import pandas as pd

from preflight.contracts.table import Table, column, rule


class Cleaning(Table, key=["table", "finding"]):
    """One row per cleaning rule: what was done to how many rows, and why."""

    table: str = column("the table")
    finding: str = column("what was found")
    action: str = column(
        "what was done", isin=["repaired", "set to missing", "excluded", "added", "kept"]
    )
    rows: int = column("rows concerned", "rows", ge=0)
    of: int = column("rows of the table as read", "rows", gt=0)

    @rule("a rule concerns at most a quarter of a table", "table", "finding", "rows", "of")
    def bounded(cls, t: pd.DataFrame) -> pd.Series:
        """Cleaning that touches more is a fault of the data or of the rule."""
        return t["rows"] <= t["of"] / 4
