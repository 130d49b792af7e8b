"""Preflight: a Kedro project template for tabular machine learning in production."""

import os

# scikit-learn's boosting waits for its threads some thousand times a second. By default they spin
# for long, which on a machine that has other work to do is twenty times slower; never spinning is
# twice as slow on a quiet one. A short spin is fast on both.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
