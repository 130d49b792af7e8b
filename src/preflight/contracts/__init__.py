"""The contracts: one per dataset, the only place where columns are declared."""

from preflight.contracts.diagnosis import (
    LearningCurve,
    Robustness,
    SegmentExamples,
    Segments,
    SuspiciousLabels,
    Waterfall,
    more_labels,
)
from preflight.contracts.features import Examples, Features, Labels, SplitSummary
from preflight.contracts.primary import Aircraft, Airports, Cleaning, Flights, Weather
from preflight.contracts.raw import RawAirlines, RawAirports, RawFlights, RawPlanes, RawWeather
from preflight.contracts.report import Figure, Html, run_manifest
from preflight.contracts.results import (
    Audit,
    CalibrationCurve,
    Importance,
    ParameterImportance,
    Slices,
    TestPredictions,
    Trials,
    ValidationPredictions,
    baselines,
    best_params,
    candidate,
    champion,
    metrics,
    power,
    selection,
    verdict,
)
from preflight.contracts.table import Table


def of(dataset: str) -> type[Table] | None:
    """Return the contract that bears a table's name: `Flights` of `flights`; None if none does."""
    return globals().get(dataset.title().replace("_", ""))


__all__ = [
    "Aircraft",
    "Airports",
    "Audit",
    "CalibrationCurve",
    "Cleaning",
    "Examples",
    "Features",
    "Figure",
    "Flights",
    "Html",
    "Importance",
    "Labels",
    "LearningCurve",
    "ParameterImportance",
    "RawAirlines",
    "RawAirports",
    "RawFlights",
    "RawPlanes",
    "RawWeather",
    "Robustness",
    "SegmentExamples",
    "Segments",
    "Slices",
    "SplitSummary",
    "SuspiciousLabels",
    "TestPredictions",
    "Trials",
    "ValidationPredictions",
    "Waterfall",
    "Weather",
    "baselines",
    "best_params",
    "candidate",
    "champion",
    "metrics",
    "more_labels",
    "power",
    "run_manifest",
    "selection",
    "verdict",
]
