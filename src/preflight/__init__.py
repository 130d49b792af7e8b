"""Preflight: a Kedro project template for tabular machine learning in production.

Its public functions also work in a notebook without a project: see docs/api.md.
"""

import ctypes
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import fsspec

from preflight.files import WholeFiles

# Kedro's datasets write through fsspec: none of them leaves half a file.
fsspec.register_implementation("file", WholeFiles, clobber=True)

# scikit-learn's boosting waits for its threads some thousand times a second. By default they spin
# for long, which on a machine that has other work to do is twenty times slower; never spinning is
# twice as slow on a quiet one. A short spin is fast on both.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# The C library of Linux gives the memory of each freed array back to the system, which has to clear
# it for the next one: a third of the time of the trailing windows. Freed memory is kept instead.
if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
    mallopt(-1, 2**30)  # M_TRIM_THRESHOLD, bytes
    mallopt(-3, 2**25)  # M_MMAP_THRESHOLD, bytes: its largest

__version__ = "0.1.0"

if TYPE_CHECKING:
    from preflight.audit.one_function import find_leaks
    from preflight.contracts.table import Table, Utc, column
    from preflight.evaluation.arrays import compare
    from preflight.features.point_in_time import as_of
    from preflight.features.windows import Events, codes

__all__ = ["Events", "Table", "Utc", "as_of", "codes", "column", "compare", "find_leaks"]

_PUBLIC = {
    "Events": "features.windows",
    "Table": "contracts.table",
    "Utc": "contracts.table",
    "as_of": "features.point_in_time",
    "codes": "features.windows",
    "column": "contracts.table",
    "compare": "evaluation.arrays",
    "find_leaks": "audit.one_function",
}


def __getattr__(name: str) -> Any:
    """Return a public function or class, imported when it is first used (PEP 562)."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
