"""The traps of the published data, each tested on the rows that show it."""

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaError

from preflight.errors import RunError

from late_flights.contracts.raw import RawWeather
from late_flights.pipelines.data_engineering import nodes

RAW = "data/01_raw"


@pytest.fixture(scope="module")
def raw_flights() -> pd.DataFrame:
    return pd.read_csv(f"{RAW}/flights.csv.zip", parse_dates=["time_hour"])


@pytest.fixture(scope="module")
def airports() -> pd.DataFrame:
    return nodes.clean_airports(pd.read_csv(f"{RAW}/airports.csv"))[0]


@pytest.fixture(scope="module")
def cleaned(raw_flights: pd.DataFrame, airports: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    return nodes.clean_flights(raw_flights, airports)


@pytest.fixture(scope="module")
def flights(cleaned: tuple[pd.DataFrame, pd.DataFrame]) -> pd.DataFrame:
    return cleaned[0]


def found(log: pd.DataFrame, words: str) -> int:
    rows = log.loc[log["finding"].str.contains(words), "rows"]
    assert len(rows) == 1, f"{words!r} names no single finding"
    return int(rows.iloc[0])


def one(flights: pd.DataFrame, carrier: str, flight: int, day: str) -> pd.Series:
    """The only flight of this number that is scheduled to leave on this day in New York."""
    local = flights["scheduled_departure"].dt.tz_convert("America/New_York").dt
    here = (flights["carrier"] == carrier) & (flights["flight"] == flight)
    rows = flights[here & (local.strftime("%Y-%m-%d") == day)]
    assert len(rows) == 1
    return rows.iloc[0]


def utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_arrival_clocks_are_read_in_the_zone_of_the_destination(flights: pd.DataFrame) -> None:
    houston = one(flights, "UA", 1545, "2013-01-01")  # 5:15 from Newark, 8:19 in Houston
    assert houston["scheduled_departure"] == utc("2013-01-01 10:15")
    assert houston["scheduled_arrival"] == utc("2013-01-01 14:19")
    assert houston["arrived_at"] == utc("2013-01-01 14:30")


def test_airports_of_puerto_rico_are_added(flights: pd.DataFrame, airports: pd.DataFrame) -> None:
    added = airports.set_index("faa").loc[["SJU", "BQN", "PSE", "STT"], "timezone"]
    assert set(added) == {"America/Puerto_Rico"}
    aguadilla = one(flights, "B6", 725, "2013-01-01")  # 5:45, due 10:22 there, an hour ahead
    assert aguadilla["scheduled_arrival"] == utc("2013-01-01 14:22")


def test_the_day_rolls_in_local_time_when_the_clock_changes(flights: pd.DataFrame) -> None:
    evening = flights[
        flights["scheduled_departure"].between(utc("2013-11-02 22:00"), utc("2013-11-03 04:00"))
        & flights["arrived_at"].notna()
    ]
    gate_to_gate = (evening["arrived_at"] - evening["departed_at"]).dt.total_seconds() / 60
    taxi = gate_to_gate - evening["air_time"]
    assert len(evening) > 50
    assert taxi.between(5, 120).all()  # an hour off would show here


def test_every_flight_taxis_longer_than_nothing_and_no_flight_for_half_a_day(
    flights: pd.DataFrame,
) -> None:
    came = flights[flights["arrived_at"].notna()]
    gate_to_gate = (came["arrived_at"] - came["departed_at"]).dt.total_seconds() / 60
    assert (gate_to_gate - came["air_time"]).between(1, 300).all()


def test_midnight_written_as_2400_is_the_end_of_the_day(
    raw_flights: pd.DataFrame, cleaned: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    flights, log = cleaned
    midnight = raw_flights[raw_flights["dep_time"] == 2400]
    assert len(midnight) == 29
    assert (
        found(log, "24:00") == ((raw_flights[["dep_time", "arr_time"]] == 2400).any(axis=1)).sum()
    )
    row = midnight.iloc[0]
    day = f"{row['year']}-{row['month']:02}-{row['day']:02}"
    left = one(flights, row["carrier"], row["flight"], day)["departed_at"]
    assert left.tz_convert("America/New_York").strftime("%H:%M") == "00:00"


def test_delays_of_a_day_keep_their_date(flights: pd.DataFrame) -> None:
    longest = flights.loc[flights["departure_delay"].idxmax()]
    assert longest["departure_delay"] == 1301
    assert longest["departed_at"] - longest["scheduled_departure"] == pd.Timedelta(minutes=1301)


def test_the_published_order_which_tells_who_was_late_is_gone(
    raw_flights: pd.DataFrame, airports: pd.DataFrame, flights: pd.DataFrame
) -> None:
    shuffled, _ = nodes.clean_flights(raw_flights.sample(frac=1, random_state=0), airports)
    pd.testing.assert_frame_equal(shuffled, flights)
    assert flights["scheduled_departure"].is_monotonic_increasing


def test_the_only_ferry_flight_is_excluded_and_counted(
    raw_flights: pd.DataFrame, cleaned: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    flights, log = cleaned
    assert found(log, "ferry") == 1
    assert len(flights) == len(raw_flights) - 1
    assert not (flights["origin"].astype(str) == flights["dest"].astype(str)).any()
    assert not ((flights["origin"] == "EWR") & (flights["dest"] == "LGA")).any()


def test_cancelled_and_diverted_flights_are_kept_with_an_assumed_moment(
    cleaned: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    flights, log = cleaned
    assert flights["cancelled_at"].notna().sum() == found(log, "^cancelled") == 8254
    assert flights["diverted_at"].notna().sum() == found(log, "^diverted") == 1175
    gone = flights[flights["cancelled_at"].notna()]
    hour = pd.Timedelta(hours=1)
    assert (gone["cancelled_at"] == gone["scheduled_departure"] + hour).all()
    lost = flights[flights["diverted_at"].notna()]
    assert (lost["diverted_at"] > lost["departed_at"] + 3 * hour).all()


def test_registrations_used_again_say_nothing_of_todays_aircraft() -> None:
    planes = pd.read_csv(f"{RAW}/planes.csv")
    aircraft, log = nodes.clean_aircraft(planes)
    dc7 = aircraft.set_index("tailnum").loc["N381AA"]  # built in 1956 by the registry
    assert dc7.isna().all()
    assert aircraft["year"].min() >= 1980
    assert aircraft["seats"].min() >= 20
    assert found(log, "reused") == ((planes["year"] < 1980) | (planes["seats"] < 20)).sum()
    assert len(aircraft) == len(planes)


def test_the_impossible_wind_is_set_to_missing_and_nothing_else_is() -> None:
    raw = pd.read_csv(f"{RAW}/weather.csv", parse_dates=["time_hour"])
    weather, log = nodes.clean_weather(raw)
    storm = weather[
        (weather["origin"] == "EWR") & (weather["hour_start"] == utc("2013-02-12 08:00"))
    ]
    assert storm["wind_speed"].isna().all()
    assert len(storm) == found(log, "150 mph") == 1
    assert weather["wind_speed"].isna().sum() == raw["wind_speed"].isna().sum() + 1
    assert (weather["published_at"] - weather["hour_start"] == pd.Timedelta(hours=1)).all()


def test_keys_that_lead_nowhere_are_counted_and_kept(flights: pd.DataFrame) -> None:
    aircraft, _ = nodes.clean_aircraft(pd.read_csv(f"{RAW}/planes.csv"))
    nothing = pd.DataFrame(columns=["table", "finding", "action", "rows", "of"])
    airlines = pd.read_csv(f"{RAW}/airlines.csv")
    log = nodes.join_cleaning_logs(nothing, nothing, nothing, nothing, flights, aircraft, airlines)
    assert found(log, "registry") == 50_094
    assert found(log, "airlines") == 0
    without = airlines[airlines["carrier"] != "HA"]
    log = nodes.join_cleaning_logs(nothing, nothing, nothing, nothing, flights, aircraft, without)
    assert found(log, "airlines") == (flights["carrier"] == "HA").sum() > 0


def test_a_destination_without_a_time_zone_is_named(
    raw_flights: pd.DataFrame, airports: pd.DataFrame
) -> None:
    unknown = airports[~airports["faa"].isin(["IAH", "SFO"])]
    with pytest.raises(RunError, match=r"\['IAH', 'SFO'\] have no time zone"):
        nodes.clean_flights(raw_flights.head(5000), unknown)


def test_a_number_that_the_clean_type_cannot_hold_is_refused(
    raw_flights: pd.DataFrame, airports: pd.DataFrame
) -> None:
    few = raw_flights.head(1000)
    far = few.assign(distance=few["distance"].where(few.index != few.index[7], 5_000_000_000))
    with pytest.raises(RunError, match=r"'distance' has 1 value that int32 .* e.g. 5000000000"):
        nodes.clean_flights(far, airports)


def test_inputs_are_not_changed(raw_flights: pd.DataFrame, airports: pd.DataFrame) -> None:
    few = raw_flights.head(1000)
    before = few.copy(deep=True)
    nodes.clean_flights(few, airports)
    pd.testing.assert_frame_equal(few, before)


def test_minutes_of_delay_are_those_published(
    raw_flights: pd.DataFrame, flights: pd.DataFrame
) -> None:
    for published, clean in (("dep_delay", "departure_delay"), ("arr_delay", "arrival_delay")):
        assert np.nansum(raw_flights[published]) == np.nansum(flights[clean].astype("float64"))


@pytest.mark.parametrize("weeks", [1, 4, 52])
def test_a_tenth_of_temperatures_in_celsius_breaks_a_physical_rule(weeks: int) -> None:
    weather = pd.read_csv(f"{RAW}/weather.csv", parse_dates=["time_hour"])
    rows = weather.assign(time_hour=weather["time_hour"].dt.as_unit("us"))
    RawWeather.validate(rows)
    last = rows["time_hour"].max() - pd.Timedelta(weeks=weeks)
    some = (rows["time_hour"] > last) & (rows.index % 10 == 0)
    celsius = rows.assign(temp=rows["temp"].mask(some, (rows["temp"] - 32) / 1.8))
    with pytest.raises(SchemaError, match=r"the first: temp .*, dewp .*, humid"):
        RawWeather.validate(celsius)
