"""benchmarks/engines.py: the engines compute the same features, and what differs is found."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[3]
NAMES = [
    "pandas, our windows",
    "pandas, our windows, by year",
    "polars, rolling",
    "polars, running totals",
    "DuckDB, running totals",
    "DuckDB, windows",
]


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import engines

    return engines


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of 200 flights with few keys, in steps of 12 hours.

    So many outcomes lie at one moment, or at the very edge of a window. Some flights have no end,
    some no aircraft or one that is not registered, and for some there is no fresh weather.
    """
    rng = np.random.default_rng(0)
    n = 400
    departs = pd.Series(
        pd.Timestamp("2013-01-01", tz="UTC")
        + pd.to_timedelta(np.sort(rng.integers(0, 130, n)) * 12, "h")
    ).dt.as_unit("us")
    end = pd.Series(
        rng.choice(["arrived", "cancelled", "diverted", "open"], n, p=[0.7, *[0.1] * 3])
    )
    delay = pd.Series(rng.integers(-2, 10, n) * 30.0).astype("float32")
    # An arrival at ten o'clock is known just when the next flights are decided on.
    arrived_at = departs + pd.Timedelta(hours=10)
    tails = rng.choice(["N1", "N2", "N3", None], n)
    flights = pd.DataFrame(
        {
            "carrier": pd.Categorical(rng.choice(["AA", "B6"], n)),
            "origin": pd.Categorical(rng.choice(["EWR", "JFK"], n)),
            "scheduled_departure": departs,
            "dest": pd.Categorical(rng.choice(["BOS", "SFO", "XXX"], n)),
            "tailnum": pd.Categorical(tails),
            "arrived_at": arrived_at.where(end == "arrived"),
            "cancelled_at": (departs + pd.Timedelta(hours=1)).where(end == "cancelled"),
            "diverted_at": (departs + pd.Timedelta(hours=13)).where(end == "diverted"),
            "arrival_delay": delay.where(end == "arrived"),
            "id": np.arange(n),
        }
    )
    hours = pd.date_range("2012-12-31", periods=130, freq="10h", tz="UTC", unit="us")
    readings = {name: rng.normal(size=130).astype("float32") for name in ("temp", "wind_speed")}
    readings["visib"] = np.where(np.arange(130) % 7, 10, np.nan).astype("float32")
    weather = pd.DataFrame(
        {"origin": pd.Categorical(["JFK", "EWR"] * 65), "published_at": hours, **readings}
    )
    folder = tmp_path_factory.mktemp("source")
    tables = {"flights": (flights, departs), "weather": (weather, weather["published_at"])}
    for name, (table, at) in tables.items():
        (folder / name).mkdir()
        first = at < departs[n // 2]
        table[first].to_parquet(folder / name / "year-00.parquet", index=False)
        table[~first].to_parquet(folder / name / "year-01.parquet", index=False)
    registered = {"tailnum": ["N1", "N2"], "year": [1990.0, 2001.0], "seats": [np.nan, 180.0]}
    pd.DataFrame(registered).to_parquet(folder / "aircraft.parquet")
    pd.DataFrame({"faa": ["BOS", "SFO"], "altitude": [19, 13]}).to_parquet(
        folder / "airports.parquet"
    )
    return folder


@pytest.fixture
def ours(engines: ModuleType, source: Path, tmp_path: Path) -> Path:
    target = tmp_path / "ours"
    target.mkdir()
    engines.engine(NAMES[0])(source, target)
    return target


@pytest.mark.parametrize("name", NAMES[1:])
def test_engines_compute_the_same(
    engines: ModuleType, source: Path, ours: Path, tmp_path: Path, name: str
) -> None:
    assert [*engines.ENGINES] == NAMES
    target = tmp_path / "theirs"
    target.mkdir()
    engines.engine(name)(source, target)
    assert engines.differences(ours, target) == {}


def test_the_features_are_as_defined(engines: ModuleType, source: Path, ours: Path) -> None:
    """By a loop over every tenth flight."""
    flights, weather = (pd.read_parquet(source / name) for name in ("flights", "weather"))
    features = pd.read_parquet(ours).set_index("id")
    failed_at = flights["cancelled_at"].fillna(flights["diverted_at"])
    known_at = flights["arrived_at"].fillna(failed_at)
    late = (flights["arrival_delay"] > 30) | failed_at.notna()
    for flight in flights[::10].itertuples():
        now = flight.scheduled_departure - pd.Timedelta(hours=2)
        found = features.loc[flight.id]
        for key, columns in engines.same.KEYS.items():
            alike = np.all([flights[c] == getattr(flight, c) for c in columns], axis=0)
            for days in (1, 7, 28):
                counts = alike & (known_at <= now) & (known_at > now - pd.Timedelta(days=days))
                assert found[f"{key}_count_{days}d"] == counts.sum()
                rate = late[counts].mean()
                np.testing.assert_allclose(found[f"{key}_rate_{days}d"], rate, atol=1e-6)
        before = flights[(flights["tailnum"] == flight.tailnum) & (flights["arrived_at"] <= now)]
        before = before[before["arrived_at"] > now - pd.Timedelta(days=28)]
        last = before[before["arrived_at"] == before["arrived_at"].max()]["arrival_delay"].max()
        np.testing.assert_equal(found["last_delay"], np.float32(last))
        fresh = weather["published_at"].between(now - pd.Timedelta(hours=6), now, "right")
        reading = weather[(weather["origin"] == flight.origin) & fresh]["temp"].tail(1)
        np.testing.assert_equal(found["temp"], np.float32([*reading, np.nan][0]))
    missing = features.isna().mean()
    partly = ("temp", "visib", "seats", "altitude", "route_rate_1d", "last_delay")
    assert all(0 < missing[name] < 1 for name in partly)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("seats", 180.0001), ("seats", np.nan), ("route_rate_7d", 0.123), ("origin_count_1d", 99)],
)
def test_another_value_is_found(
    engines: ModuleType, ours: Path, tmp_path: Path, name: str, wrong: float
) -> None:
    theirs = pd.read_parquet(ours).sample(frac=1, random_state=0)
    row = theirs.index[theirs[name].notna()][0]
    theirs.loc[row, name] = wrong
    (tmp_path / "theirs").mkdir()
    theirs.to_parquet(tmp_path / "theirs/all.parquet")
    assert engines.differences(ours, tmp_path / "theirs") == {name: 1}


def test_other_flights_are_found(engines: ModuleType, ours: Path, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    pd.read_parquet(ours).iloc[1:].to_parquet(tmp_path / "theirs/all.parquet")
    with pytest.raises(AssertionError, match="other flights"):
        engines.differences(ours, tmp_path / "theirs")


def test_years_have_unique_keys(engines: ModuleType, source: Path, tmp_path: Path) -> None:
    """The year is a day longer than 364 days; that day comes once, with the year after it."""
    year = tmp_path / "year"
    year.mkdir()
    days = pd.date_range("2013-01-01", periods=365, tz="UTC", unit="us")
    days.to_frame(name="scheduled_departure").to_parquet(year / "flights.parquet")
    days.to_frame(name="published_at").to_parquet(year / "weather.parquet")
    for name in ("aircraft", "airports"):
        (year / f"{name}.parquet").write_bytes((source / f"{name}.parquet").read_bytes())
    engines.write_years(year, tmp_path / "years", 3)
    made = pd.read_parquet(tmp_path / "years/flights")
    assert made["scheduled_departure"].diff().dropna().eq(pd.Timedelta(days=1)).all()
    assert len(made) == 3 * 364 + 1
    assert made["id"].is_unique


def test_lines_are_those_that_an_engine_needs(engines: ModuleType, tmp_path: Path) -> None:
    text = '''"""A module."""
import this

USED = """
SELECT 1"""
OTHER = 2


def helper():
    """Return it."""

    # why
    return USED


def wanted():
    return helper()


def unwanted():
    return OTHER, helper()
'''
    path = tmp_path / "peer.py"
    path.write_text(text.replace("import this\n", ""))
    spec = importlib.util.spec_from_file_location("peer", path)
    peer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(peer)
    assert engines.lines(peer.wanted) == 6
    assert engines.lines(peer.unwanted) == 7


@pytest.mark.parametrize(
    ("limit", "shown"),
    [("LIMIT_GB", "stopped at 0 GB"), ("LIMIT_S", "stopped after 0 minutes of CPU")],
)
def test_what_exceeds_a_limit_is_stopped(
    engines: ModuleType,
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    shown: str,
) -> None:
    monkeypatch.setattr(engines, limit, 0)
    assert engines.measure_within_limits(NAMES[0], source, tmp_path) == shown


def test_an_engine_that_fails_is_no_result(engines: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="pandas, our windows failed"):
        engines.measure_within_limits(NAMES[0], tmp_path / "nothing", tmp_path)
