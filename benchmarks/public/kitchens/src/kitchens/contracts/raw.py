"""The raw tables as they come."""

from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import column


class RawInspections(RawTable):
    """One row per inspection of a kitchen in Anchorage."""

    business_name: str = column("of the kitchen")
    inspection_score: int = column("100 is best", "points", ge=0, le=100)
    Year: int = column("of the inspection", ge=2000, le=2019)
    NumberofLocations: int = column("of the business, in all years", ge=1)
    Weekend: bool = column("on a weekend")
