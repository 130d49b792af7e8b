"""The check before scoring: the inputs of 24 hours are within the limits of a history."""

import logging
from collections.abc import Iterator
from typing import Any

import pandas as pd
from kedro.pipeline import Pipeline
from pandera.errors import SchemaErrors

from preflight.contracts.catalog import Contract, Contracts
from preflight.errors import RunError, meaning_of
from preflight.inference.contracts import Inference, InputCheck, InputFault, InputLimits
from preflight.inference.predict import due
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)

Fault = tuple[str, str, str]  # column, problem, remedy
DAY = pd.Timedelta(hours=24)
RESTART = "Restart the feed, and load what is missing."
CLOCK = "Correct the clock or the time zone of the decisions."
RENAME = "Give renamed categories their old names in data_engineering, or train on the new ones."
REPAIR = "Correct the values in data_engineering."


def check_inputs(
    framing: Framing,
    inference: Inference,
    input_limits: dict[str, Any] | None,
    contracts: Contracts,
    feature_graph: Pipeline,
    **tables: Any,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the check of the 24 hours before the last moment of each day, as an `InputCheck`.

    It is returned twice: for this run, and for the service, which follows the latest. Without
    limits there are no faults.

    tables: the inputs of feature_engineering, by name.
    """
    moments = inference.moments.tz_convert(framing.split.timezone)
    faults: list[InputFault] = []
    if input_limits is None:
        log.info("  inference: no limits of inputs yet, so none is checked (docs/monitoring.md)")
    else:
        limits = InputLimits.model_validate(input_limits)
        for moment in moments.to_series().groupby(moments.normalize()).last():
            rows = due(moment.tz_convert("UTC"), DAY, tables, contracts, feature_graph)
            faults += find_faults(rows, moment, limits, contracts["features"])
    override = inference.override
    accepted = override if faults and override and moments[-1] <= override.until else None
    check = InputCheck(
        moment=moments[-1].tz_convert("UTC"),
        limits=input_limits and input_limits["until"],
        faults=faults,
        blocked=bool(faults) and accepted is None,
        override=accepted,
    ).model_dump(mode="json")
    return check, check


def require_inputs(inference: Inference, input_check: dict[str, Any]) -> Inference:
    """Return the moments of inference, if nothing blocks them.

    Raises:
        RunError: with feed, column, day and remedy of each fault.
    """
    check = InputCheck.model_validate(input_check)
    if check.blocked:
        raise RunError("\n".join(block_messages(check)))
    if check.override:
        listed = "".join(f"\n  - {fault}" for fault in check.faults)
        log.warning("  inference: inputs accepted by %s:%s", check.override.by, listed)
    return inference


def block_messages(check: InputCheck) -> list[str]:
    """Return why scoring is blocked, line by line, and how to go on."""
    return [
        f"Scoring is blocked, because inputs break limits from the history until {check.limits}:",
        *(f"  - {fault}" for fault in check.faults),
        "Then run inference again. If the inputs are right, accept them: kedro run --pipelines "
        "inference --params inference.override.by=NAME,inference.override.reason=WHY,"
        "inference.override.until=MOMENT",
    ]


def find_faults(
    rows: pd.DataFrame, moment: pd.Timestamp, limits: InputLimits, contract: Contract
) -> list[InputFault]:
    """Return where the features of 24 hours break their limits, or the ranges of their contract.

    Args:
        rows: features of the decisions of the 24 hours until the moment.
        moment: in the time zone of days.
        contract: of the features.
    """
    feeds = {name: group for group, names in contract.groups().items() for name in names}
    day = f"{moment - pd.Timedelta('1us'):%Y-%m-%d}"  # midnight is the end of a day
    found = [*_decision_faults(rows, moment, limits)]
    if len(rows):
        found += [*_contract_faults(rows, contract), *_feature_faults(rows, limits)]
    return [
        InputFault(day=day, feed=feeds.get(name, "decisions"), column=name, problem=p, remedy=r)
        for name, p, r in found
    ]


def _decision_faults(
    rows: pd.DataFrame, moment: pd.Timestamp, limits: InputLimits
) -> Iterator[Fault]:
    """Yield what is wrong with the decisions as a whole: number, age, hours."""
    at = rows["predict_at"].dt.tz_convert(moment.tz)
    least = limits.rows[moment.day_of_week * 24 + moment.hour]
    if len(rows) < least:
        yield at.name, f"{len(rows):,} decisions in 24 hours, limit {least:,.0f}", RESTART
    idle = (moment - at.max()) / pd.Timedelta(hours=1)
    if idle > limits.idle_hours:
        yield at.name, f"no decision for {idle:.1f} hours, limit {limits.idle_hours:.1f}", RESTART
    if new := sorted({*at.dt.hour} - {*(limits.hours or range(24))}):
        count = at.dt.hour.isin(new).sum()
        hours = ", ".join(map(str, new))
        yield at.name, f"{count:,} decisions at hour {hours}, where there never were any", CLOCK


def _contract_faults(rows: pd.DataFrame, contract: Contract) -> Iterator[Fault]:
    """Yield the columns with values that the contract refuses, such as out of a physical range."""
    try:
        contract.validate(rows[[*contract.to_schema().columns]], lazy=True)
    except SchemaErrors as error:
        for (name, check), some in error.failure_cases.groupby(["column", "check"], sort=False):
            example = some["failure_case"].iloc[0]
            yield name, f"{meaning_of(check)}: {len(some):,} values, e.g. {example}", REPAIR


def _feature_faults(rows: pd.DataFrame, limits: InputLimits) -> Iterator[Fault]:
    """Yield the features that are missing, frozen or renamed."""
    for name, limit in limits.features.items():
        if name not in rows:  # no feature any more
            continue
        values, missing, distinct = rows[name], rows[name].isna().mean(), rows[name].nunique()
        if missing > limit.missing:
            yield name, f"{missing:.0%} of values missing, limit {limit.missing:.0%}", RESTART
        elif distinct < limit.distinct:
            yield name, f"frozen: {distinct} different values, limit {limit.distinct}", RESTART
        elif limit.categories is not None:
            new = values[values.notna() & ~values.isin(limit.categories)]
            if len(new) > limits.unseen * len(rows):
                names = ", ".join(new.astype(str).value_counts().index[:3])
                share = f"{len(new) / len(rows):.0%} of rows have a new category ({names})"
                yield name, f"{share}, limit {limits.unseen:.0%}", RENAME
