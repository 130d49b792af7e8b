"""The moment of prediction: the event's time, less the lead that the framing promises."""

from collections.abc import Mapping

import pandas as pd

from preflight.audit.findings import Finding, finding
from preflight.contracts.catalog import Contract
from preflight.problem.framing import Framing


def check_moments(
    features: pd.DataFrame,
    key: list[str],
    tables: Mapping[str, pd.DataFrame],
    contracts: Mapping[str, Contract],
    framing: Framing,
) -> list[Finding]:
    """Return whether each decision is due `lead_minutes` before its event.

    The events are in the table with the key of the features and an `event_time`; without one
    nothing is found.

    Args:
        features: with `predict_at`.
        key: of the features.
        tables, contracts: by name.
    """
    minutes = framing.prediction.lead_minutes
    found = []
    for name, contract in contracts.items():
        event = contract.about("event_time")
        if event is None or sorted(contract.grain()) != sorted(key):
            continue
        due = tables[name].set_index(key, drop=False)[event] - pd.Timedelta(minutes=minutes)
        due = due.reindex(pd.MultiIndex.from_frame(features[key]) if key[1:] else features[key[0]])
        wrong = features["predict_at"].to_numpy() != due.to_numpy()
        evidence = f"predict_at is {event} of {name} less {minutes} minutes"
        if wrong.any():
            first = features.loc[wrong, [*key, "predict_at"]].iloc[0]
            told = ", ".join(f"{column} {value}" for column, value in first.items())
            evidence = (
                f"predict_at of {int(wrong.sum()):,} of {len(features):,} decisions is not {event} "
                f"of {name} less {minutes} minutes, the first: {told}. Compute it so, or correct "
                "framing.prediction.lead_minutes"
            )
        found.append(finding("predict_at", evidence, int(wrong.sum()), limit=0))
    return found
