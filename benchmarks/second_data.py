"""The replay of production and the rates of the alarms on a second data set.

    pip download --no-deps ISLP==0.6.0 && unzip -j islp-*.whl ISLP/data/Bikeshare.csv
    python -m benchmarks.second_data --csv Bikeshare.csv

One row per hour of 2011 in Washington, D.C.: will more than 200 bikes be hired, as said a day
before? The weather of the hour stands in for its forecast. Times are those of the file, without
summer time. Rates are over 2,000 replays (`--replays`), as in `benchmarks.monitoring_alarms`.
"""

from collections.abc import Iterator
from typing import Any

import pandas as pd
from kedro.config import OmegaConfigLoader
from pandera.dtypes import Float32, Int8

from preflight.contracts.table import Table, Utc, column
from preflight.evaluation.contracts import Evaluation
from preflight.modeling.estimators import Candidate
from preflight.modeling.parameters import Modeling
from preflight.monitoring.contracts import Monitoring, ReplaySettings
from preflight.monitoring.production import replay_production
from preflight.problem.framing import Framing
from preflight.problem.money import format_money

from benchmarks import PROJECT
from benchmarks.measure import arguments, table
from benchmarks.monitoring_alarms import real_days, show

MANY = 200  # bikes in an hour; above it label 1
HOUR, DAY = pd.Timedelta(hours=1), pd.Timedelta(days=1)
SKY = {"clear": 1, "cloudy/misty": 2, "light rain/snow": 3, "heavy rain/snow": 4}


def _feature(description: str, nullable: bool = False) -> Any:
    return column(description, group="all", nullable=nullable)


class Hours(Table, key=["at"]):
    """One row per hour: what was known a day before it, and the weather as if foreseen."""

    at: Utc = column("the hour", "UTC")
    predict_at: Utc = column("moment of prediction", "UTC")
    hour: Float32 = _feature("of the day")
    weekday: Float32 = _feature("0 is Sunday")
    workingday: Float32 = _feature("1: neither weekend nor holiday")
    holiday: Float32 = _feature("1: it is one")
    temperature: Float32 = _feature("share of 41 °C")
    humidity: Float32 = _feature("share")
    wind: Float32 = _feature("share of 67 km/h")
    sky: Float32 = _feature("1 clear, 2 cloudy, 3 rain or snow, 4 storm")
    two_days_before: Float32 = _feature("bikes in this hour two days before", nullable=True)
    week_before: Float32 = _feature("bikes in this hour a week before", nullable=True)


class Examples(Hours):
    """The hours with their labels."""

    label: Int8 = column("1: many bikes were hired")
    label_known_at: Utc = column("the end of the hour", "UTC")


def read_hours(csv: str) -> pd.DataFrame:
    """Return features and labels of each hour, in order; grain: the hour.

    A label is known at the end of its hour.
    """
    raw = pd.read_csv(csv)
    start = pd.Timestamp("2011-01-01", tz="UTC")
    at = (start + (raw["day"] - 1) * DAY + raw["hr"] * HOUR).dt.as_unit("us")
    bikes = pd.Series(raw["bikers"].to_numpy(), index=at)
    hours = pd.DataFrame(
        {
            "at": at,
            "predict_at": at - DAY,
            "hour": raw["hr"],
            "weekday": raw["weekday"],
            "workingday": raw["workingday"],
            "holiday": raw["holiday"],
            "temperature": raw["temp"],
            "humidity": raw["hum"],
            "wind": raw["windspeed"],
            "sky": raw["weathersit"].map(SKY),
            "two_days_before": bikes.reindex(at - 2 * DAY).to_numpy(),
            "week_before": bikes.reindex(at - 7 * DAY).to_numpy(),
        }
    )
    numbers = hours.columns.drop(["at", "predict_at"])
    label = (raw["bikers"] > MANY).astype("int8")
    examples = hours.astype(dict.fromkeys(numbers, "float32"))
    return Examples.validate(examples.assign(label=label, label_known_at=at + HOUR))


def settings_of_hours() -> dict[str, Any]:
    """Return the project's parameters, changed where they are about flights."""
    loader = OmegaConfigLoader(str(PROJECT / "conf"), base_env="base", default_run_env="base")
    settings = loader["parameters"]
    framing, modeling = settings["framing"], settings["modeling"]
    framing["decision"] |= {
        "unit": "hour",
        "units": "hours",
        "per_month": 730,
        "actor": "the depot",
        "act": "bring more bikes",
        "no_action": "leave the bikes where they are",
        "label": f"has more than {MANY} hires",
    }
    framing["prediction"] |= {"lead_minutes": 24 * 60, "label_known_hours": 25}
    framing["split"] |= {"timezone": "UTC"}
    framing["project"] |= {"achievable_saving": 20_000, "budget": 10_000, "upkeep_per_month": 1_000}
    framing["success"] |= {"min_net_saving": 10_000}
    framing["slices"], framing["guardrails"]["protected"] = [], []
    framing["guardrails"]["plausible"] = {"roc_auc": [0.5, 1]}
    framing["baselines"] = ["never_act", "lookup", "logistic_regression"]
    modeling["baselines"].pop("rules")
    modeling["baselines"]["lookup"]["params"] = {"keys": ["hour", "workingday"], "prior_rows": 5}
    spec = modeling["candidates"]["boosted_trees"]
    spec["params"]["min_samples_leaf"] = 20
    spec["space"]["min_samples_leaf"]["low"] = 20
    return settings


def policies(rows: pd.DataFrame, settings: dict[str, Any], late: int) -> Iterator[list[object]]:
    """Yield a line for each policy of the replay of production, with labels that are late."""
    framing, modeling, monitoring, evaluation, replay = (
        kind.model_validate(settings[name])
        for name, kind in {
            "framing": Framing,
            "modeling": Modeling,
            "monitoring": Monitoring,
            "evaluation": Evaluation,
            "production_replay": ReplaySettings,
        }.items()
    )
    found = replay_production(
        rows[[*Hours.columns()]],
        rows[["at", "label", "label_known_at"]],
        {"candidate": "boosted_trees", "params": {}},
        {"calibration": {"slope": 1.0, "intercept": 0.0}},
        framing,
        modeling,
        monitoring,
        evaluation,
        replay.model_copy(update={"labels_late_days": late}),
        {"features": Hours, "train": Examples},
    )
    for name, policy in found["policies"].items():
        over = policy["over_never"]
        money = [format_money(over[key], framing.costs.unit) for key in ("mean", "low", "high")]
        yield [late, name, *money, len(policy["promotions"]), found["first_alarm"] or "never"]


def main(argv: list[str] | None = None) -> None:
    parser = arguments(__doc__, replays=2000)
    parser.add_argument("--csv", required=True, help="Bikeshare.csv of the package ISLP")
    options = parser.parse_args(argv)
    rows, settings = read_hours(options.csv), settings_of_hours()
    framing = Framing.model_validate(settings["framing"])
    spec = Candidate.model_validate(next(iter(settings["modeling"]["candidates"].values())))
    show(real_days(rows, spec, framing, Hours), options.replays)
    table(
        "Replay of production: money over never refitting, per 1,000 hours",
        ["labels late, days", "policy", "mean", "low", "high", "promotions", "first alarm"],
        (line for late in (0, 14) for line in policies(rows, settings, late)),
    )


if __name__ == "__main__":
    main()
