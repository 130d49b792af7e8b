"""Preflight: a Kedro project template for tabular machine learning in production."""

import os

# scikit-learn's boosting waits for its threads some thousand times a second. By default they spin
# meanwhile, which on a machine that has other work to do is twenty times slower than sleeping.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
