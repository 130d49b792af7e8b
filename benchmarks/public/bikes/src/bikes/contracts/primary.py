"""The clean tables, with the moment when each value became known."""

from typing import Any

from preflight.contracts.table import IN_ADVANCE, Table, Utc, column

Label = float
LABEL: dict[str, Any] = {"ge": 0}


class Key(Table, key=["hour"]):
    """What tells one decision from all others."""

    hour: Utc = column("the hour in Washington, written as UTC", "UTC")


class Hours(Key, known_at=IN_ADVANCE, event_time="hour"):
    """One row per hour; what happens in it is known at its end."""

    hr: int = column("of the day", ge=0, le=23)
    weekday: int = column("0 is Sunday", ge=0, le=6)
    workingday: int = column("1: neither weekend nor holiday", isin=[0, 1])
    bikers: float = column("hired in the hour", "bikes", ge=0, known_at="over_at")
    over_at: Utc = column("end of the hour", "UTC", known_at="over_at")
