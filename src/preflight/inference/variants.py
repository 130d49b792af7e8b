"""Answers of the variants of experiments, in place of the champion's."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pandas as pd

from preflight.contracts.catalog import Contract
from preflight.errors import RunError
from preflight.inference.experiment import DRAWN, VARIANTS, Design, draw
from preflight.modeling.model import Bundle, answer, require_features
from preflight.problem.framing import Framing

log = logging.getLogger(__name__)

Challengers = Mapping[str, Callable[[], Bundle]]
Watch = Callable[[Design], AbstractContextManager[None]]


def answer_variants(
    answers: dict[str, Any],
    rows: pd.DataFrame,
    version: str,
    designs: Iterable[Design],
    challengers: Challengers,
    features: Contract,
    framing: Framing,
    watch: Watch | None = None,
    explain: bool = True,
) -> pd.DataFrame:
    """Return the answers, as the variant of each row wants them, with `model`, unit and variant.

    Rows in no experiment, and those of a challenger that can't answer, keep the champion's answer.

    answers: of the champion, whose version is given. watch: sees a challenger answer, and has to
    suppress its errors; by default they are logged.
    """
    none = pd.Series(None, rows.index, dtype="str")
    # no row has no type of its own
    texts = {name: "str" for name in ("flags", "reasons") if name in answers}
    found = pd.DataFrame(answers, rows.index).astype(texts)
    found = found.assign(model=version, unit=none, variant=none)
    for design, drawn in draw(rows, designs, framing):
        found.loc[drawn.index, DRAWN] = drawn
        for name in VARIANTS:
            some = drawn.index[drawn["variant"] == name]
            if design.policy(name) == "untouched":
                found.loc[some, ["act", "untouched"]] = [False, True]
            if design.policy(name) == "challenger" and len(some):
                other = _answer_challenger(
                    design, rows.loc[some], challengers, features, watch or log_failures, explain
                )
                if other is not None:
                    found.loc[some, other.columns] = other
    return found


def _answer_challenger(
    design: Design,
    rows: pd.DataFrame,
    challengers: Challengers,
    features: Contract,
    watch: Watch,
    explain: bool,
) -> pd.DataFrame | None:
    """Return the answers of the challenger, with `model`; None if it can't."""
    with watch(design):
        bundle = challengers[design.challenger or ""]()
        require_features(bundle, features)
        found = pd.DataFrame(answer(bundle, rows, features.groups(), explain), rows.index)
        return found.assign(model=design.challenger)
    return None  # it has failed, and `watch` knows


def choose_challenger(
    version: str, challengers: Challengers, champion: str | None, features: Contract
) -> Bundle:
    """Return a challenger that can be compared with the champion.

    champion: its version; it is no challenger of itself.

    Raises:
        RunError: it is not on the disk, or wants features that the contract no longer has.
    """
    others = {name: read for name, read in challengers.items() if name != champion}
    if version not in others:
        raise RunError(
            f"there is no challenger {version}. There are: {', '.join(others) or 'none'}. Make "
            "one: kedro run (a candidate), or kedro run --pipelines retraining (a refit)."
        )
    bundle = others[version]()
    require_features(bundle, features)
    return bundle


@contextmanager
def log_failures(design: Design) -> Iterator[None]:
    """Log that a challenger can't answer, whatever is wrong with it."""
    try:
        yield
    except Exception as error:
        log.error(
            "The challenger %s of experiment %s can't answer (%r): the champion answers in its "
            "place. Restore the model, or stop the experiment: kedro stop-experiment %s --by NAME "
            "--reason WHY",
            design.challenger,
            design.name,
            error,
            design.name,
        )
