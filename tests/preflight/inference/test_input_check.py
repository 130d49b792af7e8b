"""Inputs outside their limits stop scoring, by feed, column, day and remedy; others do not."""

import logging
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.contracts.catalog import Contracts
from preflight.contracts.table import Table, Utc, column, rule
from preflight.errors import RunError
from preflight.inference.contracts import (
    FeatureLimits,
    Inference,
    InputFault,
    InputLimits,
    input_check,
    input_limits,
)
from preflight.inference.input_check import check_inputs, find_faults, require_inputs

from late_flights.pipelines.feature_engineering.pipeline import create_pipeline

Rows = pd.DataFrame
ZONE = "America/New_York"
NOON = pd.Timestamp("2013-02-20 12:00", tz=ZONE)  # a Wednesday
MIDNIGHT = pd.Timestamp("2013-02-21 00:00", tz=ZONE)


class Parcels(Table, key=["parcel"]):
    """One row per parcel."""

    parcel: int = column("number", ge=0)
    predict_at: Utc = column("moment of prediction", "UTC")
    weight: float = column("with its packing", "kg", ge=0, le=100, nullable=True, group="order")
    place: pd.CategoricalDtype = column("where it goes", nullable=True, group="order")
    wind: float = column("at noon", "mph", nullable=True, group="weather")

    @rule("nothing heavy flies", "weight", "wind")
    def grounded(cls, t: pd.DataFrame) -> pd.Series:
        return ~((t["weight"] > 90) & (t["wind"] > 90))


LIMITS = InputLimits(
    until="2013-02-19",
    source="features",
    features={
        "weight": FeatureLimits(missing=0.2, distinct=7, categories=None),
        "place": FeatureLimits(missing=0.1, distinct=0, categories=["north", "west"]),
        "wind": FeatureLimits(missing=0.1, distinct=4, categories=None),
    },
    unseen=0.03,
    rows=[70.0] * 168,
    hours=[*range(8, 20)],
    idle_hours=18,
)


def parcels(end: pd.Timestamp = MIDNIGHT, n: int = 100) -> Rows:
    """The parcels of the 24 hours until a moment, from 8 to 19:59 local time."""
    rng = np.random.default_rng(0)
    day = (end - pd.Timedelta(hours=1)).normalize()
    minutes = np.sort(rng.integers(8 * 60, 20 * 60, n))
    return pd.DataFrame(
        {
            "parcel": np.arange(n),
            "predict_at": (day.tz_convert("UTC") + pd.to_timedelta(minutes, "min")).as_unit("us"),
            "weight": rng.uniform(1, 50, n),
            "place": pd.Categorical(rng.choice(["north", "west"], n)),
            "wind": rng.uniform(0, 20, n),
        }
    )


def at_share(rows: Rows, name: str, share: float, value: Any) -> Rows:
    """The rows with a value in the first share of a column."""
    return rows.assign(**{name: rows[name].where(rows.index >= share * len(rows), value)})


def freeze(rows: Rows, name: str, values: int) -> Rows:
    return rows.assign(**{name: np.arange(len(rows)) % values + 1.0})


def rename(rows: Rows, share: float) -> Rows:
    return at_share(rows.astype({"place": "str"}), "place", share, "NORTH").astype(
        {"place": "category"}
    )


def shift(rows: Rows, hours: int) -> Rows:
    return rows.assign(predict_at=rows["predict_at"] + pd.Timedelta(hours=hours))


FAULTS: dict[str, tuple[Callable[[Rows], Rows], Callable[[Rows], Rows], str, str]] = {
    # a defect, and its clean twin; column and problem
    "missing": (
        lambda r: at_share(r, "weight", 0.21, None),
        lambda r: at_share(r, "weight", 0.2, None),
        "order.weight",
        "21% of values missing, limit 20%",
    ),
    "frozen": (
        lambda r: freeze(r, "weight", 6),
        lambda r: freeze(r, "weight", 7),
        "order.weight",
        "frozen: 6 different values, limit 7",
    ),
    "of another feed": (
        lambda r: freeze(r, "wind", 3),
        lambda r: freeze(r, "wind", 4),
        "weather.wind",
        "frozen: 3 different values, limit 4",
    ),
    "renamed": (
        lambda r: rename(r, 0.04),
        lambda r: rename(r, 0.03),
        "order.place",
        "4% of rows have a new category (NORTH), limit 3%",
    ),
    "out of a physical range": (
        lambda r: r.assign(weight=r["weight"].mask(r.index == 3, 100.5)),
        lambda r: r.assign(weight=r["weight"].mask(r.index == 3, 100)),
        "order.weight",
        "is above 100: 1 values, e.g. 100.5",
    ),
    "a broken rule": (
        lambda r: r.assign(**dict.fromkeys(["weight", "wind"], r["wind"].mask(r.index == 3, 95))),
        lambda r: r.assign(wind=r["wind"].mask(r.index == 3, 95)),
        "decisions.Parcels",
        "breaks 'nothing heavy flies': 1 values, e.g. "
        'BrokenRuleError("1 row, the first: weight 95, wind 95")',
    ),
    "few rows": (
        lambda r: r.iloc[31:],
        lambda r: r.iloc[30:],
        "decisions.predict_at",
        "69 decisions in 24 hours, limit 70",
    ),
    "clock ahead": (
        lambda r: shift(r, 1),
        lambda r: r,
        "decisions.predict_at",
        r"\d+ decisions at hour 20, where there never were any",
    ),
    "clock behind": (
        lambda r: shift(r, -1),
        lambda r: r,
        "decisions.predict_at",
        r"\d+ decisions at hour 7, where there never were any",
    ),
}


def faults(given: Rows, moment: pd.Timestamp = MIDNIGHT, **limits: Any) -> list[InputFault]:
    return find_faults(given, moment, LIMITS.model_copy(update=limits), Parcels)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_in_its_column_alone(fault: str) -> None:
    defect, twin, where, problem = FAULTS[fault]
    (found,) = faults(defect(parcels()))
    assert (f"{found.feed}.{found.column}", found.day) == (where, "2013-02-20")
    assert re.fullmatch(problem if "\\" in problem else re.escape(problem), found.problem)
    assert found.remedy.endswith(".")
    assert faults(twin(parcels())) == []


def test_a_table_that_stopped_is_found_by_the_time_since_its_last_decision() -> None:
    late = pd.Timestamp("2013-02-21 14:30", tz=ZONE)  # the last one is 18.5 hours old
    few = {"rows": [0.0] * 168}
    (found,) = faults(parcels(), late, **few)
    assert re.fullmatch(r"no decision for 18\.\d hours, limit 18\.0", found.problem)
    assert found.day == "2013-02-21"
    assert faults(parcels(), late - pd.Timedelta(hours=1), **few) == []


def test_a_day_without_any_decision_is_one_fault_or_none_if_that_is_usual() -> None:
    (found,) = faults(parcels().iloc[:0])
    assert found.problem == "0 decisions in 24 hours, limit 70"
    assert faults(parcels().iloc[:0], rows=[0.0] * 168) == []


def test_the_number_of_decisions_is_that_of_the_hour_of_the_week() -> None:
    rows = [0.0] * 168
    rows[3 * 24] = 101.0  # Thursday 0:00
    (found,) = faults(parcels(), rows=rows)
    assert found.problem == "100 decisions in 24 hours, limit 101"
    assert faults(parcels(), MIDNIGHT + pd.Timedelta(hours=1), rows=rows) == []


def test_hours_are_not_checked_where_the_history_does_not_tell() -> None:
    assert faults(shift(parcels(), 1), hours=None) == []


def test_a_feature_that_is_gone_or_new_is_not_checked() -> None:
    gone = {"old": FeatureLimits(missing=0, distinct=7, categories=None)}
    assert faults(parcels(), features={**LIMITS.features, **gone}) == []
    assert faults(freeze(parcels(), "wind", 1), features=gone) == []


# with the features of the example, and their graph


@pytest.fixture
def check(served: dict[str, Any], project_contracts: Contracts) -> Callable[..., Any]:
    """The check of the inputs at a moment, and that it may be saved."""
    graph = create_pipeline().to_outputs("features")

    def check(limits: InputLimits | None, moment: Any = NOON, **given: Any) -> dict[str, Any]:
        asked = Inference(moment=moment, every_minutes=60, **{"until": None} | given)
        written = limits and limits.model_dump(mode="json")
        input_limits.validate(written)
        found, same = check_inputs(
            served["framing"], asked, written, project_contracts, graph, **served["given"]
        )
        assert input_check.validate(found) is same
        return found

    return check


@pytest.fixture
def limits(project_contracts: Contracts) -> InputLimits:
    """Limits that are kept whatever comes."""
    names = project_contracts["features"].names()
    wide = FeatureLimits(missing=1, distinct=0, categories=None)
    return LIMITS.model_copy(
        update={
            "features": dict.fromkeys(names, wide),
            "rows": [0.0] * 168,
            "hours": None,
            "idle_hours": 24,
        }
    )


def strict(limits: InputLimits) -> InputLimits:
    frozen = FeatureLimits(missing=1, distinct=10_000, categories=None)
    return limits.model_copy(update={"features": {**limits.features, "temperature": frozen}})


def test_without_limits_nothing_is_checked_and_a_line_says_so(
    check: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "preflight"):
        found = check(None)
    assert (found["blocked"], found["faults"], found["limits"]) == (False, [], None)
    assert sum("no limits of inputs yet" in one for one in caplog.messages) == 1
    settings = Inference(moment=NOON, until=None, every_minutes=60)
    assert require_inputs(settings, found) is settings


def test_inputs_within_their_limits_are_admitted(
    check: Callable[..., Any], limits: InputLimits
) -> None:
    found = check(limits)
    assert (found["blocked"], found["faults"], found["limits"]) == (False, [], "2013-02-19")


def test_a_block_names_feed_column_day_and_remedy_and_how_to_go_on(
    check: Callable[..., Any], limits: InputLimits
) -> None:
    found = check(strict(limits))
    assert found["blocked"]
    with pytest.raises(RunError) as error:
        require_inputs(Inference(moment=NOON, until=None, every_minutes=60), found)
    message = str(error.value)
    assert "history until 2013-02-19:\n  - 2013-02-20, feed weather, column temperature: fro" in (
        message
    )
    assert "Restart the feed" in message
    assert "kedro run --pipelines inference --params inference.override.by=" in message


def test_the_rows_of_24_hours_are_checked_whatever_the_run_is_to_score(
    check: Callable[..., Any], limits: InputLimits, served: dict[str, Any]
) -> None:
    day = served["features"]["predict_at"]
    rows = day.between(NOON - pd.Timedelta(days=1), NOON, inclusive="right").sum()
    place = NOON.day_of_week * 24 + NOON.hour
    for least, blocked in ((float(rows), False), (rows + 0.5, True)):
        usual = [least if i == place else 0.0 for i in range(168)]
        assert check(limits.model_copy(update={"rows": usual}))["blocked"] is blocked


def test_a_backfill_is_checked_day_by_day(check: Callable[..., Any], limits: InputLimits) -> None:
    found = check(strict(limits), until=NOON + pd.Timedelta(hours=30))
    assert [one["day"] for one in found["faults"]] == ["2013-02-20", "2013-02-21"]
    assert pd.Timestamp(found["moment"]) == NOON + pd.Timedelta(hours=30)


@pytest.mark.parametrize(("hours", "blocked"), [(0, False), (-1, True)])
def test_faults_are_accepted_by_name_until_a_moment(
    check: Callable[..., Any],
    limits: InputLimits,
    caplog: pytest.LogCaptureFixture,
    hours: int,
    blocked: bool,
) -> None:
    until = (NOON + pd.Timedelta(hours=hours)).isoformat()
    override = {"by": "Ada", "reason": "a holiday", "until": until}
    found = check(strict(limits), override=override)
    assert (found["blocked"], len(found["faults"])) == (blocked, 1)
    assert (found["override"] is None) is blocked
    if not blocked:
        require_inputs(Inference(moment=NOON, until=None, every_minutes=60), found)
        assert "accepted by Ada:\n  - 2013-02-20, feed weather" in caplog.text


def test_an_override_that_nothing_needs_is_not_kept(
    check: Callable[..., Any], limits: InputLimits
) -> None:
    override = {"by": "Ada", "reason": "a holiday", "until": NOON.isoformat()}
    assert check(limits, override=override)["override"] is None
