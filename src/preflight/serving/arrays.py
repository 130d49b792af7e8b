"""The values of a column as an array, and as a column of the contract's type."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from preflight.serving.values import Kind

FEW = 64  # moments that are converted one by one
EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


def storage_dtype(dtype: Any) -> Kind:
    """Return the type of the array that stores a column: moments without zone, texts as objects."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return np.dtype(f"M8[{dtype.unit}]")
    return dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def moments(values: Sequence[datetime | None]) -> npt.NDArray[np.datetime64]:
    """Return moments in UTC; of many, pyarrow takes a hundredth of NumPy's time."""
    if len(values) <= FEW:
        since = [None if one is None else (one - EPOCH) // MICROSECOND for one in values]
        return np.array(since, "M8[us]")
    # pandera sets PYARROW_IGNORE_TIMEZONE: pyarrow takes any offset for UTC
    in_utc = [one and one.astimezone(UTC) for one in values]
    return pa.array(in_utc, pa.timestamp("us", "UTC")).to_numpy(zero_copy_only=False)


def of_dtype(values: npt.NDArray[Any], dtype: Any) -> Any:
    """Return a column of the contract's type."""
    if isinstance(dtype, pd.DatetimeTZDtype):
        return pd.DatetimeIndex(values).tz_localize("UTC")
    if isinstance(dtype, pd.CategoricalDtype) and dtype.categories is None:
        # by codes: a quarter of the time for a row
        texts = values.tolist()
        categories = sorted({*texts} - {None})
        codes = {text: code for code, text in enumerate(categories)} | {None: -1}
        known = pd.CategoricalDtype(pd.Index(categories, dtype=object))
        return pd.Categorical.from_codes([codes[t] for t in texts], dtype=known, validate=False)
    return values if isinstance(dtype, np.dtype) else pd.array(values, dtype=dtype)
