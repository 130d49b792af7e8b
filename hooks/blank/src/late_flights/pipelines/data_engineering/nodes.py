"""From the raw files to clean tables in UTC, with every repair counted."""

import pandas as pd

from preflight.contracts.exact import narrow


def clean_parcels(raw_parcels: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the parcels in the order of shipping, and what cleaning did, one row per rule.

    Grain: one row per parcel. Each repair is a rule with a count: the report shows them.
    """
    heavy = raw_parcels["weight"] > 50  # kg; nothing that is sold weighs as much
    in_order = raw_parcels.sort_values(["ships_at", "parcel"], ignore_index=True)
    parcels = in_order.assign(
        parcel=narrow(in_order["parcel"], "int32"),
        place=in_order["place"].astype("category"),
        weight=narrow(in_order["weight"].clip(upper=50), "float32"),
        glass=narrow(in_order["glass"], "int8"),
        broken=narrow(in_order["broken"], "float32"),
    )
    rules = [
        ("parcels", "heavier than 50 kg", "repaired", int(heavy.sum())),
        ("parcels", "still on its way", "kept", int(raw_parcels["delivered_at"].isna().sum())),
    ]
    cleaning = pd.DataFrame(rules, columns=["table", "finding", "action", "rows"])
    return parcels, cleaning.assign(of=len(raw_parcels))
