"""What was known of each flight at its moment of prediction, as columns for a model.

Each column is declared in contracts/features.py.

Each group of features is one function of the primary tables and returns one row per flight, in the
order of `flights`. `now` is the moment of prediction; a value may be used only if it was known by
then. Windows are (now - w, now]; units of features are minutes unless said otherwise.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar

from preflight.features.windows import Events, Floats, Ints, Log, Window, codes
from preflight.problem.framing import Framing

from late_flights.contracts.primary import Key
from late_flights.contracts.raw import ORIGINS

HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
KEY = Key.grain()

HISTORY = 28 * DAY  # the longest window
PRIOR_FLIGHTS = 20  # a rate counts this many flights at the overall rate: few flights say little
WEATHER_KEEPS = 6 * HOUR  # an older reading is no reading
MOMENTS = ["scheduled_departure", "scheduled_arrival", "departed_at", "arrived_at", "cancelled_at"]
TURNS_WITHIN = DAY  # an aircraft's leg longer ago says nothing about its next one


def compute_prediction_times(flights: pd.DataFrame, framing: Framing) -> pd.Series:
    """Return the moment when each flight's decision is due, in UTC. Grain: as `flights`."""
    lead = pd.Timedelta(minutes=framing.prediction.lead_minutes)
    return (flights["scheduled_departure"] - lead).rename("predict_at")


def build_schedule_features(flights: pd.DataFrame) -> pd.DataFrame:
    """Return what the timetable says of a flight itself. Grain: as `flights`."""
    local = _local(flights["scheduled_departure"]).dt
    block = flights["scheduled_arrival"] - flights["scheduled_departure"]
    return pd.DataFrame(
        {
            "hour": local.hour,
            "minute_of_day": local.hour * 60 + local.minute,
            "weekday": local.day_of_week,
            "days_to_holiday": _days_to_holiday(local.normalize()),
            "distance": flights["distance"],
            "block_minutes": _minutes(block),
        },
        dtype="float32",
    ).assign(dest=flights["dest"])


def _minutes(durations: pd.Series) -> pd.Series:
    return durations.dt.total_seconds() / 60


def _local(moments: pd.Series) -> pd.Series:
    """Return moments in UTC as New York's clock, without a time zone."""
    return moments.dt.tz_convert("America/New_York").dt.tz_localize(None)


def _days_to_holiday(day: pd.Series) -> Ints:
    """Return days to the nearest federal holiday: positive before it, negative after it."""
    year = pd.Timedelta(days=366)
    holidays = USFederalHolidayCalendar().holidays(day.min() - year, day.max() + year)
    dates = holidays.to_numpy().astype("datetime64[D]")
    today = day.to_numpy().astype("datetime64[D]")
    following = np.searchsorted(dates, today)
    ahead = (dates[following] - today).astype(np.int64)
    behind = (dates[following - 1] - today).astype(np.int64)
    return np.where(ahead <= -behind, ahead, behind)


def build_congestion_features(flights: pd.DataFrame) -> pd.DataFrame:
    """Return how much is scheduled around a flight, known in advance. Grain: as `flights`."""
    leaves, lands = flights["scheduled_departure"], flights["scheduled_arrival"]
    origin, dest, everywhere = _keys(flights, "origin"), _keys(flights, "dest"), _one(flights)
    departures, arrivals = Events(leaves), Events(lands)
    at_origin, in_all = departures.by(origin), departures.by(everywhere)
    return pd.DataFrame(
        {
            "departures_before": at_origin.at(origin, leaves).count(HOUR) - 1,
            "departures_around_all": in_all.at(everywhere, leaves + HOUR).count(2 * HOUR) - 1,
            "arrivals_around": arrivals.by(dest).at(dest, lands + HOUR).count(2 * HOUR) - 1,
        },
        dtype="float32",
    )


def build_weather_features(
    flights: pd.DataFrame, weather: pd.DataFrame, framing: Framing
) -> pd.DataFrame:
    """Return the weather as it was published by `now`. Grain: as `flights`.

    Units: miles, inches, mph, °F, hPa. Missing where the last reading is older than six hours.
    """
    now = compute_prediction_times(flights, framing)
    hourly = _hourly_weather(weather)
    published = Events(weather["published_at"], row=np.arange(len(weather)))
    log = published.by(_station(weather["origin"]))
    reading = hourly.iloc[_row(log, _station(flights["origin"]), now)].reset_index(drop=True)
    worst = np.full(len(flights), np.nan)
    for station in range(len(ORIGINS)):
        row = _row(log, np.full(len(flights), station), now)
        worst = np.fmin(worst, hourly["visibility"].to_numpy()[row])
    return reading.assign(visibility_worst=worst.astype("float32"))


def _station(origin: pd.Series) -> Ints:
    """Return each airport's number, the same for any table."""
    return pd.Categorical(origin, categories=ORIGINS).codes.astype(np.int64)


def _row(log: Log, key: Ints, now: pd.Series) -> Ints:
    """Return the row of the last reading; -1 (the row of missing values) where there is none."""
    return np.nan_to_num(log.at(key, now).last("row", WEATHER_KEEPS), nan=-1).astype(np.int64)


def _hourly_weather(weather: pd.DataFrame) -> pd.DataFrame:
    """Return each reading with what went before it, by position; a last row is all missing."""
    in_order = weather.sort_values(["origin", "hour_start"])
    angle = np.deg2rad(in_order["wind_dir"])
    rolling = in_order.groupby("origin", observed=True).rolling("3h", on="hour_start")
    three_hours = rolling[["visib", "precip"]].agg({"visib": "min", "precip": "sum"})
    before = in_order[["origin", "hour_start", "pressure"]].assign(
        hour_start=in_order["hour_start"] + pd.Timedelta(hours=3)
    )
    pressure_before = in_order[["origin", "hour_start"]].merge(
        before, on=["origin", "hour_start"], how="left"
    )["pressure"]
    hourly = pd.DataFrame(
        {
            "visibility": in_order["visib"],
            "visibility_3h": three_hours["visib"].to_numpy(),
            "rain_3h": three_hours["precip"].to_numpy().round(2),
            "gust": in_order["wind_gust"].fillna(in_order["wind_speed"]),
            "wind_east": -in_order["wind_speed"] * np.sin(angle),
            "wind_north": -in_order["wind_speed"] * np.cos(angle),
            "temperature": in_order["temp"],
            "pressure_change_3h": in_order["pressure"] - pressure_before.to_numpy(),
        },
        index=in_order.index,
        dtype="float32",
    )
    return hourly.reindex([*range(len(weather)), -1])


def build_operations_features(flights: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return how departures and arrivals are going today. Grain: as `flights`.

    Delays are means in minutes, shares are of departures over 30 minutes late.
    """
    now = compute_prediction_times(flights, framing)
    departed, scheduled = flights["departed_at"], flights["scheduled_departure"]
    delay = flights["departure_delay"].fillna(0).to_numpy()
    late = delay > framing.prediction.label_threshold
    # A flight leaves the queue when it departs or is cancelled, though not before its time.
    gone = departed.fillna(flights["cancelled_at"])
    gone = gone.mask(gone < scheduled, scheduled)

    went, due, left = Events(departed, delay=delay, late=late), Events(scheduled), Events(gone)

    def departures(*columns: str) -> Window:
        key = _keys(flights, *columns) if columns else _one(flights)
        return went.by(key).at(key, now)

    def backlog(key: Ints) -> Ints:
        return due.by(key).at(key, now).count() - left.by(key).at(key, now).count()

    origin, everywhere, dest = _keys(flights, "origin"), _one(flights), _keys(flights, "dest")
    at_origin, in_all = departures("origin"), departures()
    carrier = departures("carrier")
    arrival_delay = flights["arrival_delay"].fillna(0).to_numpy()
    arrivals = Events(flights["arrived_at"], delay=arrival_delay).by(dest).at(dest, now)
    cancellations = Events(flights["cancelled_at"]).by(everywhere).at(everywhere, now)
    return pd.DataFrame(
        {
            "origin_delay_1h": at_origin.mean("delay", HOUR),
            "origin_delay_3h": at_origin.mean("delay", 3 * HOUR),
            "origin_departures_1h": at_origin.count(HOUR),
            "origin_backlog": backlog(origin),
            "all_delay_1h": in_all.mean("delay", HOUR),
            "all_late_share_1h": in_all.mean("late", HOUR),
            "all_departures_1h": in_all.count(HOUR),
            "all_backlog": backlog(everywhere),
            "all_cancelled_6h": cancellations.count(6 * HOUR),
            "carrier_origin_delay_3h": departures("carrier", "origin").mean("delay", 3 * HOUR),
            "carrier_delay_3h": carrier.mean("delay", 3 * HOUR),
            "carrier_delay_24h": carrier.mean("delay", DAY),
            "dest_arrival_delay_6h": arrivals.mean("delay", 6 * HOUR),
            "dest_departure_delay_6h": departures("dest").mean("delay", 6 * HOUR),
            "route_delay_24h": departures("origin", "dest").mean("delay", DAY),
        },
        dtype="float32",
    )


def build_history_features(flights: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return how flights like this one did over four weeks. Grain: as `flights`.

    Rates are shares of late flights less that of all flights in the same weeks: absolute rates
    drift with the season. An outcome counts from the moment when it was known.
    """
    now = compute_prediction_times(flights, framing)
    outcome = compute_labels(flights, framing)
    late = outcome["label"].fillna(0).to_numpy()
    hour = _local(flights["scheduled_departure"]).dt.hour
    # A flight that never came is counted as three hours late, the worst that is told apart.
    delay = flights["arrival_delay"].fillna(180).clip(-60, 180).to_numpy()
    outcomes = Events(outcome["label_known_at"], late=late, delay=delay)

    def past(key: Ints) -> Window:
        return outcomes.by(key).at(key, now)

    overall = past(_one(flights)).mean("late", HISTORY)

    def rate(window: Window) -> Floats:
        n, bad = window.count(HISTORY), window.sum("late", HISTORY)
        return (bad + PRIOR_FLIGHTS * overall) / (n + PRIOR_FLIGHTS) - overall

    same_number = past(_keys(flights, "carrier", "flight"))
    return pd.DataFrame(
        {
            "flight_number_rate": rate(same_number),
            "carrier_hour_rate": rate(past(codes(flights["carrier"], hour))),
            "route_rate": rate(past(_keys(flights, "origin", "dest"))),
            "last_arrival_delay": same_number.last("delay", HISTORY),
        },
        dtype="float32",
    )


def build_aircraft_features(
    flights: pd.DataFrame, aircraft: pd.DataFrame, framing: Framing
) -> pd.DataFrame:
    """Return the aircraft that the carrier flew on the route over four weeks. Grain: as `flights`.

    Not the flight's own aircraft: it is recorded after the fact. Age in years, size in seats.
    """
    now = compute_prediction_times(flights, framing)
    tails = flights["tailnum"].cat
    registry = aircraft.set_index("tailnum").reindex([*tails.categories, "none recorded"])
    flown = tails.codes.to_numpy()  # none is -1, which finds the last row: missing
    built, seats = (registry[name].to_numpy()[flown] for name in ("year", "seats"))
    age = flights["scheduled_departure"].dt.year.to_numpy() - built
    route = _keys(flights, "carrier", "origin", "dest")

    def mean(value: npt.NDArray[np.float64]) -> Floats:
        known = flights["departed_at"].mask(np.isnan(value))
        return (
            Events(known, value=np.nan_to_num(value))
            .by(route)
            .at(route, now)
            .mean("value", HISTORY)
        )

    return pd.DataFrame({"expected_age": mean(age), "expected_seats": mean(seats)}, dtype="float32")


def build_previous_leg_features(flights: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return how the same aircraft's previous departure from New York goes. Grain: as `flights`.

    It has to arrive and fly back in time. Rests on the assumption that the aircraft recorded is
    the one planned (see the contract). None is recorded for some cancelled flights; so that it does
    not show, they take the values of the flight that the carrier has there before them. Missing
    where the last leg is over a day ago.
    """
    previous = _previous_leg(flights)
    leaves = flights["scheduled_departure"].reset_index(drop=True)
    now = compute_prediction_times(flights, framing).reset_index(drop=True)
    p = flights[MOMENTS].iloc[previous].reset_index(drop=True)
    gap = leaves - p["scheduled_departure"]
    found = pd.Series(previous >= 0) & (gap <= TURNS_WITHIN)

    has_departed, has_arrived = p["departed_at"] <= now, p["arrived_at"] <= now
    waited = _minutes(now - p["scheduled_departure"]).clip(lower=0)
    left = _minutes(p["departed_at"] - p["scheduled_departure"])
    departure_delay = left.where(has_departed, waited)
    overdue = np.maximum(departure_delay, _minutes(now - p["scheduled_arrival"]))
    came = _minutes(p["arrived_at"] - p["scheduled_arrival"])
    arrival_delay = came.where(has_arrived, overdue)
    block = p["scheduled_arrival"] - p["scheduled_departure"]
    turn = _minutes(leaves - p["scheduled_arrival"] - block)
    state = (has_departed.astype(int) + has_arrived).mask(p["cancelled_at"] <= now, -1)
    legs = pd.DataFrame(
        {
            "previous_state": state,
            "previous_departure_delay": departure_delay,
            "previous_arrival_delay": arrival_delay,
            "planned_turn": turn,
            "slack": turn - arrival_delay,
        },
        dtype="float32",
    )
    row = _with_aircraft(flights)
    return legs.where(found).reindex(row).set_axis(flights.index)


def _with_aircraft(flights: pd.DataFrame) -> Ints:
    """Return each flight's row, or for one without aircraft that of the one before it; -1 if none.

    The one before is the carrier's last from the airport within a day that has an aircraft.
    """
    scheduled, has_one = flights["scheduled_departure"], flights["tailnum"].notna()
    legs = flights[["scheduled_departure", "flight"]].reset_index(drop=True)
    order = legs.sort_values([*legs]).index.to_numpy()  # not the rows' own: it would tell
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    place = _keys(flights, "carrier", "origin")
    flown = Events(scheduled.where(has_one), rank=rank).by(place)
    before = flown.at(place, scheduled).last("rank", TURNS_WITHIN)
    donor = np.where(np.isnan(before), -1, order[np.nan_to_num(before).astype(np.int64)])
    return np.where(has_one, np.arange(len(flights)), donor)


def _previous_leg(flights: pd.DataFrame) -> Ints:
    """Return the row of the same aircraft's previous scheduled departure; -1 where none is."""
    order = ["tailnum", "scheduled_departure", "carrier", "flight", "origin"]
    legs = flights[order].reset_index(drop=True).sort_values(order)
    before = legs.index.to_series().groupby(legs["tailnum"], observed=True).shift()
    return before.sort_index().fillna(-1).to_numpy(dtype=np.int64)


def _keys(flights: pd.DataFrame, *columns: str) -> Ints:
    return codes(*(flights[name] for name in columns))


def _one(flights: pd.DataFrame) -> Ints:
    return np.zeros(len(flights), dtype=np.int64)


def compute_labels(flights: pd.DataFrame, framing: Framing) -> pd.DataFrame:
    """Return `label` and the moment `label_known_at`, both missing while it is open.

    1: arrived later than the framing's threshold in minutes, or was cancelled or diverted.
    Grain: as `flights`.
    """
    failed_at = flights["cancelled_at"].fillna(flights["diverted_at"])
    known_at = flights["arrived_at"].fillna(failed_at)
    late = (flights["arrival_delay"] > framing.prediction.label_threshold) | failed_at.notna()
    label = late.astype("float64").where(known_at.notna())
    return flights[KEY].assign(label=label, label_known_at=known_at)
