"""Results of a run on parcels: reporting knows no trade."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from preflight.problem.framing import Framing
from preflight.reporting.contracts import About, Model

Results = dict[str, Any]


def interval(mean: float | None, low: float | None, high: float | None) -> Results:
    return {"mean": mean, "low": low, "high": high}


def model(value: Results, area: Results) -> Results:
    names = ("average_precision", "log_loss", "brier")
    other = {name: interval(0.41 + i / 10, 0.38, 0.74) for i, name in enumerate(names)}
    return {"value_per_1000": value, "roc_auc": area, **other}


NO_FILES = {"framing", "about", "contracts", "checklist", "provenance"}  # the rest have versions
RUN = "2026-01-31T12.00.00.000Z"
FILE = {"path": "data/a", "version": "2026-01-30T12.00.00.000Z", "bytes": 1, "sha256": "2" * 64}


ABOUT = {
    "model": dict.fromkeys(Model.model_fields, "as they say"),
    "data": dict.fromkeys(
        ["motivation", "persons", "collection", "uses", "not_for", "distribution", "maintenance"],
        "as written",
    ),
}


def checked(state: str) -> Results:
    evidence = {"slices": "2026"} if state != "open" else {}
    return {"name": f"it is {state}", "state": state, "evidence": evidence, "how": "do it"}


CHECKED = [checked(state) for state in ("automated", "by hand", "open")]
CHECKLIST = {
    "score": 1.5,
    "meaning": "a first step",
    "sections": dict.fromkeys(["data", "model", "infrastructure", "monitoring"], CHECKED),
}


class Boxes:
    """What reporting asks of the contract of the features."""

    @staticmethod
    def columns() -> dict[str, dict[str, Any]]:
        return {"weight": {"description": "as stated", "unit": "kg", "group": "box"}}

    @staticmethod
    def groups() -> dict[str, list[str]]:
        return {"box": ["weight"]}


@pytest.fixture
def results(framing: Framing, monkeypatch: pytest.MonkeyPatch) -> Results:
    """All that the report is made of, by name.

    Each number is its own, so that a page that mixes them up is found: nobody has decided so. What
    refuses such results has its own tests, which undo the patch.
    """
    monkeypatch.setattr("preflight.reporting.report.require_one_run", lambda *_: None)
    rng = np.random.default_rng(7)
    label = rng.random(1000) < 0.3
    slices = [
        ("depot", "north", 700, 120.4, 80.0, 160.0),
        ("depot", "south", 300, 31.6, -5.0, 70.0),
        ("depot", "island", 9, 500.0, 500.0, 500.0),
        *(("hour", f"{h}", 110, 10.0 * h, 5.0, 200.0) for h in (10, 9, 2)),
        ("month", "2013-05", 500, 60.0, 20.0, 90.0),
        ("month", "2013-04", 500, 50.0, 20.0, 90.0),
    ]
    day = pd.to_datetime(["2013-01-02 04:30", "2013-03-01 12:00", "2013-04-01 12:00"]).as_unit("us")
    found: Results = {
        "framing": framing,
        "contracts": {"features": Boxes},
        "about": About.model_validate(ABOUT),
        "candidate": {
            "features": ["weight", "size", "age"],
            "provenance": {
                "path": "a.Tree",
                "params": {"depth": 3},
                "examples": 7000,
                "scikit-learn": "1.9.1",
            },
        },
        "checklist": CHECKLIST,
        "raw_manifest": {
            "parcels.csv": {"sha256": "3" * 64, "rows": 8008, "source": "us", "licence": "ours"}
        },
        "metrics": {
            "candidate": model(interval(123.4, 90.1, 160.2), interval(0.712, 0.68, 0.74)),
            "never_act": model(interval(0.0, 0.0, 0.0), interval(0.5, 0.5, 0.5)),
            "table_of_rates": model(interval(101.2, 70.3, 140.4), interval(0.655, 0.62, 0.69)),
        },
        "verdict": {
            "decision": "ship",
            "reasons": ["clearly better"],
            "value": {
                "unit": "EUR",
                "costs": {"tp": 2, "fp": 1, "fn": 6, "tn": 0},
                "per_1000": 123.4,
                "over_baseline": {"baseline": "table_of_rates", **interval(22.2, 12.6, 33.3)},
                "over_baselines": {
                    "never_act": interval(123.4, 90.1, 160.2),
                    "table_of_rates": interval(22.2, 12.6, 33.3),
                },
                "deciding": {"level": 0.05, "low": 11.1},
                "best_units": {"unit": "day", "units": 3, "share": 0.125, "gain_without": 19.4},
                "worst_month": {
                    "month": "2013-03",
                    "part": "validation",
                    "gain_per_1000": -4.4,
                    "net": -264.0,
                },
                "net": {"months": 6, "required": 600, **interval(732.0, 156.0, 1398.0)},
            },
            "warnings": ["the KPI misses its target"],
            "kpi": {"name": "missed", "current": 300, "target": 100, "measured": 88.8},
            "limits": [],
            "checks": [{"name": "gain", "ok": True, "message": "clearly better"}],
            "test_set": {"candidate": "b", "number": 2, "candidates": 2, "level": 0.015},
            "what_if": [],
            "assumed": [],
        },
        "selection": {
            "values": {"candidate": 130.0, "never_act": 0.0, "table_of_rates": 111.0},
            "best_baseline": "table_of_rates",
            "calibration": {
                "slope": 1.1,
                "intercept": 0.0,
                "loss_without": 0.52341,
                "loss_with": 0.51234,
            },
        },
        "power": {
            "unit": "day",
            "units": 30,
            "required_per_1000": 20.0,
            "detectable_per_1000": 31.2,
            "shippable_per_1000": 51.2,
            "achievable_per_1000": 200.0,
        },
        "best_params": {
            "candidate": "trees",
            "params": {"depth": 4, "rate": 0.123456},
            "kept": "tuned",
            "ended": "trials",
            "value": 133.3,
            "trial": 1,
            "declared_value": 120.0,
            "optimism": 2.2,
            "gain": interval(11.1, 5.0, 17.0),
        },
        "trials": pd.DataFrame(
            {
                "trial": [0, 1, 2],
                "state": ["complete", "complete", "pruned"],
                "value": [120.0, 133.3, np.nan],
                "folds": [3, 3, 1],
                "candidate": "trees",
                "params": ['{"depth": 3, "rate": 0.1}', '{"depth": 4, "rate": 0.123456}', "{}"],
            }
        ),
        "parameter_importance": pd.DataFrame({"parameter": ["rate", "depth"], "share": [0.7, 0.3]}),
        "test_predictions": pd.DataFrame(
            {
                "label": label * 1,
                "act": label ^ (rng.random(1000) < 0.2),
                "probability": np.clip(0.3 * label + 0.6 * rng.random(1000), 0, 1),
                "act_table_of_rates": rng.random(1000) < 0.2,
                "probability_table_of_rates": rng.random(1000),
            }
        ),
        "gain_by_period": pd.DataFrame(
            {
                "baseline": "table_of_rates",
                "part": ["validation"] * 3 + ["test"] * 3,
                "period": ["week", "week", "month"] * 2,
                "start": [
                    *("2013-03-04", "2013-03-11", "2013-03-01"),
                    *("2013-04-01", "2013-04-08", "2013-04-01"),
                ],
                "decisions": [400, 600, 1000] * 2,
                "gain_per_1000": [-11.0, 0.0, -4.4, 30.2, 16.9, 22.2],
            }
        ),
        "calibration_curve": pd.DataFrame(
            {
                "bin": [0, 1, 2],
                "rows": [334, 333, 333],
                "predicted": [0.1, 0.3, 0.6],
                "expected": [0.1, 0.3, 0.6],
                "observed": [0.12, 0.38, 0.57],
                "low": [0.08, 0.33, 0.5],
                "high": [0.16, 0.43, 0.64],
            }
        ),
        "threshold_curve": pd.DataFrame(
            {
                "setting": [0.0, 0.2, 0.25, 1.0],
                "by_costs": [False, True, False, False],
                "share": [1.0, 0.4, 0.35, 0.0],
                "value_per_1000": [-310.4, 123.4, 125.6, 0.0],
                "low": [-350.0, 90.1, 91.0, 0.0],
                "high": [-270.0, 160.2, 161.0, 0.0],
            }
        ),
        "slices": pd.DataFrame(
            [(*part, part[3] / 10, part[4] / 10 - 1, part[5] / 10) for part in slices],
            columns=[
                *["by", "slice", "rows", "value_per_1000", "value_low", "value_high"],
                *["gain_per_1000", "gain_low", "gain_high"],
            ],
        ),
        "importance": pd.DataFrame(
            {
                "feature": ["weight", "size", "age"],
                "group": ["box", "box", "sender"],
                "rise": [0.0301, 0.0102, -0.0003],
                "low": [0.0281, 0.0092, -0.0007],
                "high": [0.0322, 0.0113, 0.0001],
            }
        ),
        "split_summary": pd.DataFrame(
            {
                "part": ["train", "validation", "test"],
                "first": day.tz_localize("UTC"),
                "last": day.tz_localize("UTC"),
                "rows": [5000, 2000, 1000],
                "label_mean": [0.31, 0.29, 0.3],
                "share": 1.0,
                "left_out": [3, 2, 0],
            }
        ),
        "cleaning": pd.DataFrame(
            {
                "table": ["parcels", "parcels"],
                "finding": ["no weight", "two labels"],
                "action": ["kept", "excluded"],
                "rows": [17, 3],
                "of": [8008, 8008],
            }
        ),
        "audit": pd.DataFrame(
            {
                "check": [
                    "replay",
                    "one feature",
                    "assumption: parcels.weight",
                    "new values: parcels.place",
                ],
                "state": ["passed", "passed", "assumed", "warning"],
                "measured": [0.0, 0.61234, np.nan, np.nan],
                "limit": [0.0, 0.8, np.nan, np.nan],
                "evidence": [
                    "2 moments, 40 decisions: all the same",
                    "weight: 0.612",
                    "as stated",
                    "moon (3)",
                ],
            }
        ),
        "ablation": pd.DataFrame(
            [
                ("validation", "baseline", "table_of_rates", 1, 111.0, None, None, None),
                ("validation", "first group", "box alone", 3, 130.0, 19.0, 12.0, 26.0),
                ("validation", "threshold", "if it acted above 50%", 3, 90.0, -40.0, -50.0, -30.0),
                ("test", "baseline", "table_of_rates", 1, 101.2, None, None, None),
                ("test", "first group", "box alone", 3, 121.2, 20.0, 15.0, 25.0),
                ("test", "group", "sender", 3, 123.4, 2.2, -1.0, 5.0),
                ("test", "threshold", "if it acted above 50%", 3, 80.0, -43.4, -60.0, -30.0),
            ],
            columns=[
                *["part", "kind", "step", "fits", "value_per_1000", "gain"],
                *["gain_low", "gain_high"],
            ],
        ).astype({"gain": float}),
        "partial_dependence": pd.DataFrame(
            {
                "feature": ["weight"] * 3 + ["depot"] * 2,
                "value": ["1.0", "2.0", "5.0", "north", "south"],
                "number": [1.0, 2.0, 5.0, np.nan, np.nan],
                "predicted": [0.11, 0.22, 0.35, 0.31, 0.28],
            }
        ),
        "drift": pd.DataFrame(
            {
                "feature": ["age", "weight", "size"],
                "group": ["sender", "box", "box"],
                "index": [0.31, 0.12, 0.02],
                "missing_train": [0.05, 0.0, 0.0],
                "missing_test": [0.15, 0.0, 0.0],
            }
        ),
        "learning_curve": pd.DataFrame(
            {
                "rows": [2500, 5000],
                "first": day[1:].tz_localize("UTC"),
                "fits": [4, 1],
                "value_per_1000": [120.0, 130.0],
                "low": [90.0, 100.0],
                "high": [150.0, 160.0],
            }
        ),
        "more_labels": {
            "per_doubling": interval(10.0, 4.0, 16.0),
            "labels": 3000,
            "months": 6.0,
            "value": interval(407.0, 163.0, 651.0),
            "price": 300.0,
            "worth": "inconclusive",
        },
        "backtest": pd.DataFrame(
            {
                "cutoff": day.tz_localize("UTC"),
                "rows": [1500, 2600, 3700],
                "decisions": [410, 520, 630],
                "baseline": "table_of_rates",
                "value_per_1000": [91.0, 92.0, 93.0],
                "gain": [-7.5, 14.2, 26.6],
                "gain_low": [-20.3, 1.1, np.nan],
                "gain_high": [6.4, 27.9, np.nan],
            }
        ),
        "segments": pd.DataFrame(
            {
                "number": [1, 2],
                "segment": ["weight above 3, depot north", "weight up to 3"],
                "rows": [300, 700],
                "share": [0.3, 0.7],
                "regret_per_1000": [800.0, 200.0],
                "low": [700.0, 150.0],
                "high": [900.0, 250.0],
                "regret_share": [0.63, 0.37],
                "label_mean": [0.4, 0.25],
                "predicted": [0.2, 0.26],
                "decided": [0.11, 0.3],
            }
        ),
        "segment_examples": pd.DataFrame(
            {
                "depot": ["north"],
                "parcel": [4711],
                "predict_at": day[:1].tz_localize("UTC"),
                "label": [1],
                "probability": [0.03],
                "act": [False],
                "number": [1],
                "segment": ["weight above 3, depot north"],
                "regret": [4.0],
                "facts": ["weight 7.5, depot north"],
            }
        ),
        "robustness": pd.DataFrame(
            {
                "fault": ["box missing", "sender missing", "noise of 5% of the spread"],
                "value_per_1000": [60.0, np.nan, 122.4],
                "loss": [63.4, np.nan, 1.0],
                "loss_low": [50.0, np.nan, -1.0],
                "loss_high": [77.0, np.nan, 3.0],
                "changed": [0.4, 1.0, 0.02],
            }
        ),
        "provenance": {
            "run": RUN,
            "code": {"commit": "0" * 40, "changed": ["a.py"], "sha256": "1" * 64},
            "kept": ["docs/a.md", "tests/test_a.py", "tests/test_a.py::test_b"],
        },
        "label_issues": pd.DataFrame(
            {
                "depot": ["north", "south"],
                "parcel": [17, 18],
                "predict_at": day[:2].tz_localize("UTC"),
                "label": [1, 0],
                "predicted": [0.02, 0.97],
                "found": [77, 77],
                "of": [7000, 7000],
            }
        ),
    }
    found["provenance"]["files"] = {name: dict(FILE) for name in found if name not in NO_FILES}
    return found
