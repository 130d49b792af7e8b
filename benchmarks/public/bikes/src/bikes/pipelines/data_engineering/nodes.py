"""From the raw files to clean tables in UTC, with every repair counted."""

import pandas as pd


def clean_hours(raw_bikes: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the hours, and what cleaning did."""
    since = pd.to_timedelta(24 * (raw_bikes["day"] - 1) + raw_bikes["hr"], unit="h")
    hour = (pd.Timestamp("2011-01-01", tz="UTC") + since).dt.as_unit("us")
    hours = raw_bikes[["hr", "weekday", "workingday"]].assign(
        hour=hour, bikers=raw_bikes["bikers"].astype(float), over_at=hour + pd.Timedelta("1h")
    )
    found = ("hours", "hours without a row", "kept", 365 * 24 - len(hours))
    cleaning = pd.DataFrame([found], columns=["table", "finding", "action", "rows"])
    return hours, cleaning.assign(of=365 * 24)
