"""The limits of inputs follow from the days of a history: a good day keeps them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.contracts.table import Table, Utc, column
from preflight.errors import RunError
from preflight.inference.contracts import InputLimits, input_limits
from preflight.inference.input_check import find_faults
from preflight.monitoring import compute_input_limits
from preflight.monitoring.contracts import Monitoring
from preflight.problem.framing import Framing

from .conftest import ALARMS, LIMITS

ZONE = "America/New_York"  # as in the framing
Compute = Callable[..., InputLimits]


class Parcels(Table, key=["parcel"]):
    """One row per parcel."""

    parcel: int = column("number", ge=0)
    predict_at: Utc = column("moment of prediction", "UTC")
    weight: float = column("with its packing", "kg", ge=0, nullable=True, group="order")
    place: pd.CategoricalDtype = column("where it goes", group="order")


def parcels(days: int = 60, start: str = "2013-01-07", seed: int = 0) -> pd.DataFrame:
    """A hundred parcels on each weekday and twenty on each Saturday and Sunday, from 8 to 20 h."""
    rng = np.random.default_rng(seed)
    every = pd.date_range(start, periods=days, tz=ZONE)
    counts = np.where(every.day_of_week < 5, 100, 20)
    n = int(counts.sum())
    at = every.repeat(counts) + pd.to_timedelta(rng.integers(8 * 60, 20 * 60, n), "min")
    return pd.DataFrame(
        {
            "parcel": np.arange(n),
            "predict_at": at.tz_convert("UTC").as_unit("us"),
            "weight": np.where(rng.random(n) < 0.05, np.nan, rng.uniform(1, 50, n)),
            "place": pd.Categorical(rng.choice(["north", "west"], n)),
        }
    )


def local_day(rows: pd.DataFrame) -> pd.Series:
    return rows["predict_at"].dt.tz_convert(ZONE).dt.strftime("%Y-%m-%d")


@pytest.fixture
def compute(framing: Framing) -> Compute:
    """The limits of a history, which may be saved."""

    def compute(
        features: pd.DataFrame,
        logged: Any = None,
        moment: Any = None,
        label: Any = 0.0,
        **settings: Any,
    ) -> InputLimits:
        given = {"moment": moment, "limits": LIMITS | settings, "alarms": ALARMS}
        quiet: Any = {"silenced": {}, "acknowledged": {}}
        monitoring = Monitoring.model_validate(given | quiet)
        contracts: Any = {"features": Parcels}
        labels = features[["parcel"]].assign(label=label)
        found = compute_input_limits(
            lambda: features, labels, logged or {}, framing, monitoring, contracts
        )
        assert input_limits.validate(found) is found
        return InputLimits.model_validate(found)

    return compute


def test_each_day_of_a_clean_history_keeps_its_limits(compute: Compute) -> None:
    rows = parcels()
    limits = compute(rows)
    assert (limits.until, limits.source) == ("2013-03-07", "features")
    for day in pd.date_range("2013-01-08", "2013-03-08", tz=ZONE):
        known = rows["predict_at"].between(day - pd.Timedelta(days=1), day, inclusive="right")
        assert find_faults(rows[known], day, limits, Parcels) == []


def test_missing_values_may_exceed_those_of_the_worst_day_by_the_margin(compute: Compute) -> None:
    rows = parcels()
    worst = rows["weight"].isna().groupby(local_day(rows)).mean().max()
    assert compute(rows).features["weight"].missing == pytest.approx(worst + 0.1)
    assert compute(rows.assign(weight=np.nan)).features["weight"].missing == 1


@pytest.mark.parametrize(("values", "limit"), [(6, 0), (7, 4), (8, 5), (11, 6), (12, 7), (20, 7)])
def test_a_feature_that_always_varied_is_frozen_by_few_values_and_half_of_its_least(
    compute: Compute, values: int, limit: int
) -> None:
    rows = parcels()
    number = rows.groupby(local_day(rows)).cumcount()
    rows["weight"] = (number % values + 1.0).astype("float64")
    assert rows.groupby(local_day(rows))["weight"].nunique().min() == values
    assert compute(rows).features["weight"].distinct == limit


def test_categories_are_those_of_the_history(compute: Compute) -> None:
    rows = parcels()
    rows["place"] = rows["place"].cat.add_categories(["south"])  # never seen
    assert compute(rows).features["place"].categories == ["north", "west"]
    assert compute(rows).features["weight"].categories is None


def test_the_number_of_rows_is_that_of_the_same_hour_of_four_weeks(compute: Compute) -> None:
    limits = compute(parcels()).rows
    at_midnight = [limits[24 * day] for day in range(7)]  # of the days before
    assert at_midnight == pytest.approx([14, 70, 70, 70, 70, 70, 14])
    assert 14 < limits[24 * 5 + 14] < 70  # Saturday noon: half of Friday
    rows = parcels()
    earlier = rows.assign(predict_at=rows["predict_at"] - pd.Timedelta(days=60))
    few = pd.concat([earlier.iloc[::10].assign(parcel=lambda r: r["parcel"] + 10**6), rows])
    assert compute(few).rows[24] == pytest.approx(70)  # eight weeks ago there were fewer


def test_a_day_with_few_rows_loosens_no_other_limit(compute: Compute) -> None:
    rows = parcels()
    clean = compute(rows)
    day = local_day(rows) == "2013-02-13"
    few = rows[~day | (rows.index % 20 == 0)].copy()
    few.loc[local_day(few) == "2013-02-13", "weight"] = np.nan
    assert compute(few).features == clean.features
    broken = rows.assign(weight=rows["weight"].mask(day))  # a whole day counts
    assert compute(broken).features["weight"].missing == 1


def test_an_hour_that_was_used_on_one_day_only_leaves_hours_unchecked(compute: Compute) -> None:
    rows = parcels()
    assert compute(rows).hours == [*range(8, 20)]
    odd = rows.copy()
    for n, hours in ((1, None), (2, [3, *range(8, 20)])):
        day = pd.Timestamp("2013-02-01 03:30", tz=ZONE) + pd.Timedelta(days=n)
        odd.loc[n, "predict_at"] = day.tz_convert("UTC")
        assert compute(odd).hours == hours


def test_the_time_without_a_decision_is_half_longer_than_the_longest(compute: Compute) -> None:
    rows = parcels()
    longest = rows["predict_at"].sort_values().diff().max() / pd.Timedelta(hours=1)
    assert compute(rows).idle_hours == pytest.approx(1.5 * longest)


def test_the_history_ends_at_the_moment_and_has_so_many_days(compute: Compute) -> None:
    rows = parcels(120)
    rows["place"] = rows["place"].cat.add_categories(["old", "later"])
    rows.loc[local_day(rows) < "2013-02-01", "place"] = "old"
    rows.loc[local_day(rows) >= "2013-04-01", "place"] = "later"
    at_first = compute(rows, moment="2013-03-31T23:59:59-04:00", days=28)
    assert at_first.until == "2013-03-31"
    assert at_first.features["place"].categories == ["north", "west"]
    assert "old" in (compute(rows, moment="2013-03-31T23:59:59-04:00").features["place"].categories)
    assert "later" in (compute(rows).features["place"].categories)


def test_features_that_were_built_before_their_time_are_no_history(compute: Compute) -> None:
    rows = parcels()
    ahead = local_day(rows) > "2013-03-01"  # scheduled when features were built: no weight yet
    rows["weight"] = rows["weight"].mask(ahead)
    assert compute(rows).features["weight"].missing == 1
    found = compute(rows, label=np.where(ahead, np.nan, 1.0))
    assert found.features["weight"].missing < 0.3
    assert found.until == "2013-03-01"


def as_logged(rows: pd.DataFrame, source: str = "batch") -> dict[str, Callable[[], pd.DataFrame]]:
    days = rows.assign(source=source).groupby(rows["predict_at"].dt.strftime("%Y-%m-%d"))
    return {str(day): (lambda part=part: part) for day, part in days}


def test_logged_days_are_the_history_as_soon_as_they_are_enough(compute: Compute) -> None:
    features, logged = parcels(), parcels(28, "2013-04-01", seed=1)
    found = compute(features, as_logged(logged))
    assert (found.source, found.until) == ("prediction_log", "2013-04-28")
    twice = pd.concat([logged, logged])  # of two models, or of a backfill
    assert compute(features, as_logged(twice)) == found
    for others in (as_logged(parcels(27, "2013-04-01")), as_logged(logged, "service"), {}):
        assert compute(features, others) == compute(features)


def test_too_short_a_history_is_refused_with_its_length(compute: Compute) -> None:
    with pytest.raises(RunError, match=r"need a history of 28 days. 'features' has 27 days"):
        compute(parcels(27))
    with pytest.raises(RunError, match="'features' has 0 days until 2012-01-01"):
        compute(parcels(), moment="2012-01-01T00:00:00Z")
    assert compute(parcels(28)).until == "2013-02-03"
