"""Models that the champion is compared with: later refits of its recipe, and of a baseline."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.modeling.model import Bundle, decide, predict, same_recipe
from preflight.problem.framing import Framing

Floats = npt.NDArray[np.float64]


def known_until(bundle: Bundle) -> pd.Timestamp:
    """Return the moment until which labels were fitted on; of a candidate, its last prediction."""
    origin = bundle["provenance"]
    return pd.Timestamp(origin.get("known_until", origin["last"]))


def refits_of(champion: Bundle, refits: Mapping[str, Callable[[], Bundle]]) -> list[Bundle]:
    """Return the refits with the champion's recipe."""
    return [one for read in refits.values() if same_recipe(one := read(), champion)]


class Rivals:
    """Models of one recipe; the rival of a decision is the newest that was fitted before it."""

    def __init__(self, bundles: Iterable[Bundle], framing: Framing) -> None:
        self._framing = framing
        self._bundles = sorted(bundles, key=known_until)
        self._since = pd.DatetimeIndex([known_until(one) for one in self._bundles])

    def after(self, moment: pd.Timestamp) -> "Rivals":
        """Return those that were fitted on labels that were known after a moment."""
        return Rivals([one for one in self._bundles if known_until(one) > moment], self._framing)

    def saving(self, rows: pd.DataFrame, labels: Floats) -> Floats:
        """Return what the rival of each row saves, shape (n,); NaN without a rival or a label."""
        saved = np.full(len(rows), np.nan)
        number = np.zeros(len(rows), dtype=np.int64)
        if self._bundles:
            number = self._since.searchsorted(rows["predict_at"], side="left")
        for i in np.unique(number[(number > 0) & ~np.isnan(labels)]):
            some = (number == i) & ~np.isnan(labels)
            part, bundle = rows[some], self._bundles[i - 1]
            decided = decide(bundle, predict(bundle, part), part)
            saved[some] = self._framing.costs.at(part).saving(labels[some], decided)
        return saved
