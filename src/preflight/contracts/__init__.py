"""The contracts: one per dataset, the only place where columns are declared.

Those of raw and primary tables are found in their modules.
"""

from preflight.contracts import primary
from preflight.contracts.deployment import EndToEnd, clearance, promotion, service_limits
from preflight.contracts.diagnosis import (
    LearningCurve,
    Robustness,
    SegmentExamples,
    Segments,
    SuspiciousLabels,
    Waterfall,
    more_labels,
)
from preflight.contracts.examples import Cleaning, Examples, Labels, SplitSummary
from preflight.contracts.features import Features
from preflight.contracts.inference import PredictionLog, Predictions, Upcoming
from preflight.contracts.report import (
    Figure,
    Html,
    checklist,
    datasheet,
    model_card,
    raw_manifest,
    run_manifest,
)
from preflight.contracts.results import (
    Audit,
    CalibrationCurve,
    CostCurve,
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
from preflight.contracts.table import DocumentContract, Table


def of(dataset: str) -> type[Table] | None:
    """Return the contract that bears a primary table's name: `LateParcels` of `late_parcels`."""
    return vars(primary).get(dataset.title().replace("_", ""))


def described(dataset: str) -> str:
    """Return what the contract that bears a dataset's name says of it; "" if none does."""
    every = globals() | vars(primary)
    contract = every.get(dataset.title().replace("_", "")) or every.get(dataset)
    if isinstance(contract, DocumentContract):
        return f"{dataset}\n{contract.described()}"
    if contract is None:
        return ""
    lines = [
        f"  {name}{' (' + about['unit'] + ')' if 'unit' in about else ''}: {about['description']}"
        for name, about in contract.columns().items()
    ]
    key = ", ".join(contract.grain())
    return "\n".join([f"{dataset}: {contract.__doc__}", f"  key: {key}", *lines])


__all__ = [
    "Audit",
    "CalibrationCurve",
    "Cleaning",
    "CostCurve",
    "EndToEnd",
    "Examples",
    "Features",
    "Figure",
    "Html",
    "Importance",
    "Labels",
    "LearningCurve",
    "ParameterImportance",
    "PredictionLog",
    "Predictions",
    "Robustness",
    "SegmentExamples",
    "Segments",
    "Slices",
    "SplitSummary",
    "SuspiciousLabels",
    "TestPredictions",
    "Trials",
    "Upcoming",
    "ValidationPredictions",
    "Waterfall",
    "baselines",
    "best_params",
    "candidate",
    "champion",
    "checklist",
    "clearance",
    "datasheet",
    "metrics",
    "model_card",
    "more_labels",
    "power",
    "promotion",
    "raw_manifest",
    "run_manifest",
    "selection",
    "service_limits",
    "verdict",
]
