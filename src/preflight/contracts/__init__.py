"""The contracts: one per dataset, the only place where columns are declared.

Those of raw and primary tables, and of stages that can be deleted, are found in their modules.
"""

from importlib import import_module
from pkgutil import iter_modules

from preflight.contracts import primary
from preflight.contracts.examples import Cleaning, Examples, Labels, SplitSummary
from preflight.contracts.features import Features
from preflight.contracts.predictions import PredictionLog, Predictions
from preflight.contracts.results import (
    Audit,
    CalibrationCurve,
    CostCurve,
    EndToEnd,
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
from preflight.contracts.run import raw_manifest, run_manifest
from preflight.contracts.table import DocumentContract, Table


def of(dataset: str) -> type[Table] | None:
    """Return the contract that bears a primary table's name: `LateParcels` of `late_parcels`."""
    return vars(primary).get(dataset.title().replace("_", ""))


def described(dataset: str) -> str:
    """Return what the contract that bears a dataset's name says of it; "" if none does."""
    modules = (import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__))
    every = {name: one for module in modules for name, one in vars(module).items()}
    document, table = every.get(dataset), every.get(dataset.title().replace("_", ""))
    if isinstance(document, DocumentContract):
        return f"{dataset}\n{document.described()}"
    if not (isinstance(table, type) and issubclass(table, Table)):
        return ""
    lines = [
        f"  {name}{' (' + about['unit'] + ')' if 'unit' in about else ''}: {about['description']}"
        for name, about in table.columns().items()
    ]
    key = ", ".join(table.grain())
    return "\n".join([f"{dataset}: {table.__doc__}", f"  key: {key}", *lines])


__all__ = [
    "Audit",
    "CalibrationCurve",
    "Cleaning",
    "CostCurve",
    "EndToEnd",
    "Examples",
    "Features",
    "Importance",
    "Labels",
    "ParameterImportance",
    "PredictionLog",
    "Predictions",
    "Slices",
    "SplitSummary",
    "TestPredictions",
    "Trials",
    "ValidationPredictions",
    "baselines",
    "best_params",
    "candidate",
    "champion",
    "metrics",
    "power",
    "raw_manifest",
    "run_manifest",
    "selection",
    "verdict",
]
