"""The champion's logged decisions with their labels, next to what the challenger would decide."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.errors import RunError
from preflight.inference.feedback import usable_rows
from preflight.inference.prediction_log import hash_keys
from preflight.modeling.model import Bundle, predict, same_recipe
from preflight.monitoring.contracts import Monitoring
from preflight.problem.framing import Framing

Days = Mapping[str, Callable[[], pd.DataFrame]]
Models = Mapping[str, Callable[[], Bundle]]
SKEW = pd.Timedelta(hours=1)  # that clocks may differ by
UNSEEN = "Harm cannot be seen without labels"
COLUMNS = {"decision": "uint64", "predict_at": "datetime64[us, UTC]", "due": "bool"}
COLUMNS |= {"label": "float64", "predicted": "float64", "gain": "float64", "untouched": "boolean"}
COLUMNS |= {"day": "datetime64[us]"}


def join_decisions(
    logged_days: Days,
    labels: pd.DataFrame,
    champion: Bundle | None,
    challengers: Models,
    framing: Framing,
    monitoring: Monitoring,
    contracts: Contracts,
) -> tuple[pd.DataFrame, list[str]]:
    """Return the champion's logged decisions, and notes on what they lack.

    Grain: one row per decision, the first time that it was made. `due`: its label has to be known
    by now. `label`: missing while it is not known. `gain`: the champion's saving less that of the
    newest challenger that was fitted before the prediction; missing without one. The log is read a
    day at a time.

    Raises:
        RunError: a prediction is dated in the future, a label before its prediction, or a file of
            the log is damaged.
    """
    none = pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in COLUMNS.items()})
    if champion is None:
        return none, ["There is no champion yet: kedro run --pipelines deployment"]
    known, version = _Labels(labels, contracts, monitoring.at), champion["provenance"]["version"]
    rivals = _Rivals(champion, challengers, framing)
    parts, others = [], set()
    for day, read in logged_days.items():
        if day > f"{monitoring.at.tz_convert('UTC'):%Y-%m-%d}" and monitoring.moment:
            break
        rows = read()
        _require_past(rows, day, contracts)
        rows = rows[rows["moment"] <= monitoring.at]
        others |= {*rows["model"]}
        if len(rows := rows[rows["model"] == version]):
            parts.append(_one_day(rows, known, rivals, framing, monitoring.at))
    if not parts:
        lists = f"It has those of {', '.join(sorted(others))}." if others else "It is empty."
        return none, [
            f"The prediction log has no prediction of the champion {version}. {lists} "
            "Run: kedro run --pipelines inference"
        ]
    decisions = pd.concat(parts, ignore_index=True).drop_duplicates("decision")
    decisions["day"] = framing.split.day(decisions["predict_at"])
    notes = [*_gaps(decisions), *known.notes(decisions)]
    try:
        return usable_rows(decisions, framing), notes
    except RunError as error:  # the limits of inputs are of use all the same
        return none, [str(error), *notes]


def _require_past(rows: pd.DataFrame, day: str, contracts: Contracts) -> None:
    """Raise RunError if a prediction is dated in the future."""
    late = rows[rows["moment"] > pd.Timestamp.now("UTC") + SKEW]
    if len(late):
        raise RunError(
            f"The prediction log has {len(late):,} predictions that are dated in the future, in "
            f"the folder day={day}. The first is of {late['moment'].iloc[0]}: "
            f"{_name_key(late, contracts)}. Correct the clock that wrote them, and move the folder "
            "out of the log."
        )


def _name_key(rows: pd.DataFrame, contracts: Contracts) -> str:
    """Return the key of the first row as text."""
    first = rows.iloc[0]
    return ", ".join(f"{name} {first[name]}" for name in contracts["features"].grain())


def _one_day(
    rows: pd.DataFrame, known: "_Labels", rivals: "_Rivals", framing: Framing, at: pd.Timestamp
) -> pd.DataFrame:
    """Return the decisions of a day of the log, with their labels and gains."""
    hours = pd.Timedelta(hours=framing.prediction.label_known_hours)
    due_at = rows["label_due_at"].fillna(rows["predict_at"] + hours)
    labels = known.find(rows)
    return pd.DataFrame(
        {
            "decision": known.hash(rows),  # the same in every file
            "predict_at": rows["predict_at"],
            "due": due_at <= at,
            "label": labels,
            "predicted": rows[framing.predicted].astype(np.float64),
            "gain": rivals.gain(rows, labels),
            "untouched": rows["untouched"],
        }
    )


def _gaps(decisions: pd.DataFrame) -> Iterator[str]:
    """Yield a note if days lack decisions."""
    days = pd.date_range(decisions["day"].min(), decisions["day"].max())
    if len(lacking := days.difference(pd.DatetimeIndex(decisions["day"].unique()))):
        listed = ", ".join(f"{day:%Y-%m-%d}" for day in lacking[:5])
        more = " and others" if len(lacking) > 5 else ""
        yield (
            f"The prediction log has no decision of the champion on {len(lacking)} of {len(days)} "
            f"days: {listed}{more}. They are left out. If they were made, restore their folders."
        )


class _Labels:
    """The labels that are known at a moment, by the hash of their key."""

    def __init__(self, labels: pd.DataFrame, contracts: Contracts, at: pd.Timestamp) -> None:
        self._contracts = contracts
        given = labels[labels["label"].notna()]
        hashes = self.hash(given)
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._label = given["label"].to_numpy(np.float64)[order]
        self._known_at = given["label_known_at"].iloc[order].reset_index(drop=True)
        self._later = (self._known_at > at).to_numpy()
        self._labels, self._order = given, order

    def hash(self, rows: pd.DataFrame) -> npt.NDArray[Any]:
        """Return a hash of each decision, whatever the types of its key."""
        key = self._contracts["features"].grain()
        texts = rows[key].astype(dict.fromkeys(rows[key].select_dtypes("category"), "str"))
        return hash_keys(texts, key)

    def find(self, rows: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return the label of each row, NaN if it is not known at the moment, shape (n,).

        Raises:
            RunError: a label is dated before its prediction.
        """
        if not len(self._hashes):
            return np.full(len(rows), np.nan)
        hashes = self.hash(rows)
        place = np.searchsorted(self._hashes, hashes).clip(max=len(self._hashes) - 1)
        found = self._hashes[place] == hashes
        known_at = self._known_at.iloc[place].set_axis(rows.index)
        if len(early := rows[found & (known_at < rows["predict_at"])]):
            raise RunError(
                f"{len(early):,} labels are dated before their predictions. The first is known at "
                f"{known_at[early.index[0]]}, and was predicted at {early['predict_at'].iloc[0]}: "
                f"{_name_key(early, self._contracts)}. Correct the function that computes 'labels'."
            )
        return np.where(found & ~self._later[place], self._label[place], np.nan)

    def notes(self, decisions: pd.DataFrame) -> Iterator[str]:
        """Yield what the decisions and the labels lack of each other."""
        due = decisions[decisions["due"]]
        lacks = int(due["label"].isna().sum())
        if lacks or due.empty:
            whole = "None" if lacks == len(due) else f"{len(due) - lacks:,}"
            hint = f"{UNSEEN}. " if lacks == len(due) else "Those without one are left out. "
            yield (
                f"{whole} of {len(due):,} logged decisions that are due have a label. {hint}If "
                "labels are there, compute them again: kedro run --pipelines "
                "data_engineering,feature_engineering --to-outputs labels"
            )
        at = decisions["predict_at"]
        during = self._known_at.between(at.min(), at.max())
        strange = during.to_numpy() & ~np.isin(self._hashes, decisions["decision"]) & ~self._later
        if count := int(strange.sum()):
            first = self._labels.iloc[self._order[strange]]
            yield (
                f"{count:,} labels from the time of the log are of decisions that are not in it, "
                f"such as {_name_key(first, self._contracts)}. They are left out."
            )


def _known_until(bundle: Bundle) -> pd.Timestamp:
    """Return the moment until which labels were fitted on; of a candidate, its last prediction."""
    origin = bundle["provenance"]
    return pd.Timestamp(origin.get("known_until", origin["last"]))


class _Rivals:
    """The challengers of a champion: refits of its recipe, each on later labels."""

    def __init__(self, champion: Bundle, challengers: Models, framing: Framing) -> None:
        self._framing = framing
        refits = [one for read in challengers.values() if same_recipe(one := read(), champion)]
        newer = [one for one in refits if _known_until(one) > _known_until(champion)]
        self._bundles = sorted(newer, key=_known_until)
        self._since = pd.DatetimeIndex([_known_until(one) for one in self._bundles])

    def gain(self, rows: pd.DataFrame, labels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Return the champion's saving less the challenger's, shape (n,); NaN: not known."""
        gain = np.full(len(rows), np.nan)
        number = np.zeros(len(rows), dtype=np.int64)
        if self._bundles:
            number = self._since.searchsorted(rows["predict_at"], side="left")
        for i in np.unique(number[(number > 0) & ~np.isnan(labels)]):
            some = (number == i) & ~np.isnan(labels)
            part, costs = rows[some], self._framing.costs.at(rows[some])
            mine = costs.decide(part[self._framing.predicted].to_numpy(np.float64))
            theirs = costs.decide(predict(self._bundles[i - 1], part))
            label = labels[some] if self._framing.task == "regression" else labels[some] == 1
            gain[some] = costs.saving(label, mine) - costs.saving(label, theirs)
        return gain
