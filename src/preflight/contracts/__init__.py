"""The contracts: one per dataset, the only place where columns are declared."""

from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from preflight.contracts import primary
from preflight.contracts.features import Features
from preflight.contracts.table import DocumentContract, Table

__all__ = ["Features", "declared", "described", "modules", "of"]


def modules() -> list[ModuleType]:
    """Return the modules of contracts: a stage that is deleted takes its own away."""
    return [import_module(f"{__name__}.{one.name}") for one in iter_modules(__path__)]


def declared(*modules: ModuleType) -> dict[str, Any]:
    """Return the contracts of tables and documents that modules hold, by name."""
    return {
        name: one
        for module in modules
        for name, one in vars(module).items()
        if isinstance(one, DocumentContract) or (isinstance(one, type) and issubclass(one, Table))
    }


def of(dataset: str) -> type[Table] | None:
    """Return the contract that bears a primary table's name: `LateParcels` of `late_parcels`."""
    return declared(primary).get(dataset.title().replace("_", ""))


def described(dataset: str) -> str:
    """Return what the contract that bears a dataset's name says of it; "" if none does."""
    every = declared(*modules())
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
