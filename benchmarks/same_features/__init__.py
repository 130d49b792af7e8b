"""The same 25 features in three libraries: definitions that all of them share.

Per flight, as of two hours before its scheduled departure ("now"):

- 3 of the weather: the last reading of the origin that was published by now, at most 6 hours old;
- 3 looked up: year and seats of the aircraft, altitude of the destination;
- 18 of history: the number of outcomes, and the share of late ones, over (now - w, now] for 1, 7
  and 28 days, by carrier, route and origin. An outcome counts from the moment it was known;
- the last arrival delay of the aircraft that was known by now, of 28 days. Of several at one
  moment the largest.

Each function reads the Parquet files of a folder (`flights/`, `weather/`, `aircraft.parquet`,
`airports.parquet`) and writes Parquet files into another: `id` of the flight and the features, as
32-bit floats, in any order of rows.
"""

KEYS = {"carrier": ["carrier"], "route": ["origin", "dest"], "origin": ["origin"]}
DAYS = [1, 7, 28]
READINGS = ["temp", "wind_speed", "visib"]
REGISTERED = ["year", "seats"]
LATE = 30  # minutes; also late is what was cancelled or diverted
LEAD_HOURS = 2
WEATHER_HOURS = 6
LAST_DELAY_DAYS = 28

FLIGHTS = [
    *("id", "carrier", "origin", "dest", "tailnum", "scheduled_departure", "arrived_at"),
    *("cancelled_at", "diverted_at", "arrival_delay"),
]
WEATHER = ["origin", "published_at", *READINGS]
HISTORY = [f"{key}_{what}_{days}d" for key in KEYS for days in DAYS for what in ("count", "rate")]
FEATURES = [*READINGS, *REGISTERED, "altitude", *HISTORY, "last_delay"]
