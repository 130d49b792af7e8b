"""Preflight: a Kedro project template for tabular machine learning in production."""

import ctypes
import os
import sys

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
