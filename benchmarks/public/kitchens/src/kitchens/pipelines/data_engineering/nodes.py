"""From the raw files to clean tables in UTC, with every repair counted."""

import pandas as pd


def clean_inspections(raw_inspections: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the inspections, and what cleaning did."""
    year = raw_inspections["Year"]
    begins, ends = (
        pd.to_datetime(y.astype(str), format="%Y", utc=True).dt.as_unit("us")
        for y in (year, year + 1)
    )
    inspections = pd.DataFrame(
        {
            "inspection": raw_inspections.index,
            "year_begins": begins,
            "name": raw_inspections["business_name"].astype("category"),
            "score": raw_inspections["inspection_score"].astype(float),
            "year_ends": ends - pd.Timedelta("1h"),
        }
    )
    found = ("inspections", "on a weekend", "kept", raw_inspections["Weekend"].sum())
    cleaning = pd.DataFrame([found], columns=["table", "finding", "action", "rows"])
    return inspections, cleaning.assign(of=len(inspections))
