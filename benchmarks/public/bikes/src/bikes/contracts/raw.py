"""The raw tables as they come."""

from preflight.contracts.raw_table import RawTable
from preflight.contracts.table import column


class RawBikes(RawTable, key=["day", "hr"]):
    """One row per hour of 2011 in which bikes were hired."""

    season: int = column("1 is winter", ge=1, le=4)
    mnth: str = column("month")
    day: int = column("of the year", ge=1, le=365)
    hr: int = column("of the day", ge=0, le=23)
    holiday: int = column("1: a holiday", isin=[0, 1])
    weekday: int = column("0 is Sunday", ge=0, le=6)
    workingday: int = column("1: neither weekend nor holiday", isin=[0, 1])
    weathersit: str = column("the sky")
    temp: float = column("temperature", "share of 41 °C", ge=0, le=1)
    atemp: float = column("felt temperature", "share of 50 °C", ge=0, le=1)
    hum: float = column("humidity", "share", ge=0, le=1)
    windspeed: float = column("wind", "share of 67 km/h", ge=0, le=1)
    casual: int = column("hired by others", "bikes", ge=0)
    registered: int = column("hired by members", "bikes", ge=0)
    bikers: int = column("hired in the hour", "bikes", ge=0)
