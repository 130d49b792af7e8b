"""How two documents differ, one line for each name."""

from typing import Any

from preflight.runs.manifest import Document


def packages_of(run: Document) -> Document:
    """Return the versions of Python and of all packages of a run, by name."""
    return {"python": run["python"], **run["packages"]}


def package_changes(before: Document, now: Document) -> list[str]:
    """Return a line for each package of a run that is another one now, or gone.

    Packages that were not there for the run make no difference.
    """
    required, here = packages_of(before), packages_of(now)
    return changes(required, {name: here[name] for name in required.keys() & here.keys()})


def changes(before: Document, after: Document) -> list[str]:
    """Return a line for each name whose value differs, is new or is gone."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after:
            lines.append(f"{name}: only {'before' if name in before else 'after'}")
        elif before[name] != after[name]:
            lines.append(f"{name}: {_short(before[name])} -> {_short(after[name])}")
    return lines


def _short(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
