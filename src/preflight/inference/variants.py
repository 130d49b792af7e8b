"""Answers of the variants of experiments, in place of the champion's."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from preflight.contracts.catalog import Contract
from preflight.inference.experiment import VARIANTS, Design
from preflight.modeling.model import Bundle, answer, require_features
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)

Challengers = Mapping[str, Callable[[], Bundle]]


def answer_variants(
    answers: dict[str, Any],
    rows: pd.DataFrame,
    version: str,
    designs: Iterable[Design],
    challengers: Challengers,
    features: Contract,
    framing: Framing,
) -> pd.DataFrame:
    """Return the answers, as the variant of each row wants them, and the column `model`.

    Rows in no experiment, and those of a challenger that can't answer, keep the champion's answer.

    answers: of the champion, whose version is given.
    """
    found = pd.DataFrame(answers, rows.index).assign(model=version)
    for design in designs:
        inside = design.contains(rows, framing)
        variant = design.variants_of(design.units_of(rows[inside], framing))
        for name in VARIANTS:
            some = variant.index[variant == name]
            if design.policy(name) == "untouched":
                found.loc[some, ["act", "untouched"]] = [False, True]
            if design.policy(name) == "challenger" and len(some):
                other = _answer_challenger(design, rows.loc[some], challengers, features)
                if other is not None:
                    found.loc[some, other.columns] = other
    return found


def _answer_challenger(
    design: Design, rows: pd.DataFrame, challengers: Challengers, features: Contract
) -> pd.DataFrame | None:
    """Return the answers of the challenger, with `model`; None, with an error, if it can't."""
    version = design.challenger or ""
    try:
        bundle = challengers[version]()
        require_features(bundle, features)
    except Exception as error:  # the champion answers instead, whatever is wrong
        log.error(
            "The challenger %s of experiment %s can't answer (%r): the champion answers %s rows in "
            "its place. Restore the model, or stop the experiment: kedro stop-experiment %s --by "
            "NAME --reason WHY",
            version,
            design.name,
            error,
            f"{len(rows):,}",
            design.name,
        )
        return None
    return pd.DataFrame(answer(bundle, rows, features.groups()), rows.index).assign(model=version)
