"""Features use what was known by the moment of prediction; labels wait until they are known."""

import pandas as pd

from preflight.problem.framing import Framing

from late_flights.pipelines.feature_engineering import nodes


def parcels() -> pd.DataFrame:
    ships = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-10"], utc=True)
    known = pd.to_datetime(["2024-01-05 00:00", "2024-01-09 21:59", None], utc=True)
    return pd.DataFrame(
        {
            "parcel": [1, 2, 3],
            "ships_at": ships.as_unit("us"),
            "place": pd.Categorical(["north"] * 3),
            "weight": [1.0, 2.0, 3.0],
            "glass": [0, 1, 0],
            "delivered_at": known.as_unit("us"),
            "broken": [1.0, 0.0, None],
        }
    )


def test_history_counts_what_was_delivered_by_then(framing: Framing) -> None:
    early = framing.model_copy(
        update={"prediction": framing.prediction.model_copy(update={"lead_minutes": 120})}
    )
    found = nodes.build_history_features(parcels(), early)
    assert found["delivered"].tolist() == [0, 0, 2]
    assert found["broken_share"].tolist()[2] == 0.5
    late = early.prediction.model_copy(update={"lead_minutes": 122})
    earlier = nodes.build_history_features(parcels(), early.model_copy(update={"prediction": late}))
    assert earlier["delivered"].tolist() == [0, 0, 1]


def test_a_label_is_open_until_it_is_known(framing: Framing) -> None:
    found = nodes.compute_labels(parcels(), framing)
    assert found["label"].isna().tolist() == [False, False, True]
    assert found["label_known_at"].isna().tolist() == [False, False, True]
