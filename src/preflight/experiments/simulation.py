"""A simulated operation: past decisions, decided again by the design of an experiment."""

from collections.abc import Callable, Sequence

import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.inference.experiment import Design
from preflight.inference.prediction_log import log_rows
from preflight.inference.variants import answer_variants
from preflight.problem.framing import Framing

Log = dict[str, Callable[[], pd.DataFrame]]


def simulate_log(
    predictions: pd.DataFrame,
    version: str,
    designs: Sequence[Design],
    framing: Framing,
    contracts: Contracts,
) -> tuple[Log, pd.DataFrame]:
    """Return the prediction log that an operation would have written, and its labels.

    Acting costs what the framing says, and leaves the label as it was.

    Args:
        predictions: of a champion, with labels, such as `test_predictions`.
        version: of the champion.
        designs: of experiments; outside of them the champion decides.
    """
    key = contracts["features"].grain()
    answers = {name: predictions[name] for name in {framing.predicted, framing.decided}}
    answers["untouched"] = pd.Series(False, predictions.index)
    variants = answer_variants(
        answers, predictions, version, designs, {}, contracts["features"], framing
    )
    columns = [name for name in predictions if name not in answers and name != "label"]
    answered = predictions[columns].assign(**variants)
    rows = log_rows(answered.assign(moment=predictions["predict_at"]), framing, "batch")
    known = predictions["predict_at"] + framing.prediction.label_delay
    labels = predictions[[*key, "label"]].assign(label_known_at=known)
    first = f"{predictions['predict_at'].min():%Y-%m-%d}"
    return {first: lambda: rows}, labels
