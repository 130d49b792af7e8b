"""Features and labels as examples, split by time."""

import pandas as pd

from preflight.contracts.catalog import Contracts
from preflight.contracts.exact import narrow
from preflight.errors import RunError
from preflight.features.class_checks import require_binary_labels, require_labels_that_differ
from preflight.features.fingerprints import hash_keys
from preflight.problem.framing import Framing
from preflight.problem.split import DRAWN_DAYS, FIRST_DRAWN

SHARE = "share"  # in `attrs` of features that are a random part of all


def join_features(
    table: pd.DataFrame, predict_at: pd.Series, contracts: Contracts, *groups: pd.DataFrame
) -> pd.DataFrame:
    """Return all groups of features in one table, with key and moment of prediction.

    Grain and order: those of `table`.
    """
    return pd.concat([table[contracts["features"].grain()], predict_at, *groups], axis=1)


def draw_moments(table: pd.DataFrame, framing: Framing, contracts: Contracts) -> pd.Series:
    """Return a moment for each decision that has no time (`framing.split.clock: none`).

    Moments are those of a hash, so that the parts of the split are random. Rows with the same
    values of `framing.split.groups` get the same one, and so are in one part. A row keeps its part
    if rows are added. Grain and index: those of `table`; name: `predict_at`.

    Raises:
        RunError: decisions have a clock, or the table lacks a group.
    """
    if framing.split.clock != "none":
        raise RunError(
            "draw_moments is for decisions without a time. Set framing.split.clock to none, or "
            "compute predict_at from the table."
        )
    by = framing.split.groups or contracts["features"].grain()
    if missing := [name for name in by if name not in table]:
        raise RunError(
            f"The table has no column {', '.join(missing)}, which framing.split.groups names. It "
            f"has {', '.join(map(str, table))}."
        )
    drawn = pd.util.hash_pandas_object(table[by], index=False) / 2**64
    after = pd.to_timedelta(drawn * DRAWN_DAYS, unit="D").dt.round("us")
    return (FIRST_DRAWN + after).dt.as_unit("us").rename("predict_at")


def join_labels(features: pd.DataFrame, labels: pd.DataFrame, contracts: Contracts) -> pd.DataFrame:
    """Return the features with their labels, in the order of prediction.

    Raises:
        RunError: they come from different tables.
    """
    key = contracts["features"].grain()
    if not features[key].equals(labels[key]):
        raise RunError(
            "'features' and 'labels' have different rows. Run: kedro run --pipelines "
            "feature_engineering"
        )
    label = labels[["label", "label_known_at"]]
    return pd.concat([features, label], axis=1).sort_values("predict_at", kind="stable")


def narrow_labels(examples: pd.DataFrame, contracts: Contracts) -> pd.DataFrame:
    """Return examples that all have a label, with the label's type in the contract."""
    dtype = contracts["train"].to_schema().columns["label"].dtype.type
    return examples.assign(label=narrow(examples["label"], dtype))


def split_development(
    features: pd.DataFrame, labels: pd.DataFrame, framing: Framing, contracts: Contracts
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return train and validation as `split_examples` does; the test set is dropped here."""
    train, validation, *_ = split_examples(features, labels, framing, contracts)
    return train, validation


def split_examples(
    features: pd.DataFrame, labels: pd.DataFrame, framing: Framing, contracts: Contracts
) -> tuple[pd.DataFrame, ...]:
    """Return train, validation and test in the order of prediction, test's keys, and a summary.

    The keys are hashes (`hash_keys`): with them modeling refuses rows of test that it can't see.

    A part ends where the next begins (`Split.starts`). An example is left out if its label was not
    known by then, plus the embargo: no model could have been trained on it.

    Raises:
        RunError: there is no label, a label of a binary task is neither 0 nor 1, a part would be
            empty or have equal labels only, a cost is missing or leaves nothing to decide, or
            features and labels come from different tables.
    """
    examples = join_labels(features, labels, contracts)
    has_label = examples["label"].notna()
    if not has_label.any():
        raise RunError("No example has a label. Correct the functions that compute 'labels'.")
    starts = framing.split.starts(examples.loc[has_label, "predict_at"])
    part = pd.Series(starts.searchsorted(examples["predict_at"], side="right"), examples.index)
    embargo = pd.Timedelta(hours=framing.split.embargo_hours)
    end = part.map(dict(enumerate(starts))).astype(examples["predict_at"].dtype)
    in_time = has_label & (end.isna() | (examples["label_known_at"] + embargo <= end))
    names = ["train", "validation", "test"]
    labelled = narrow_labels(examples[in_time], contracts)
    if framing.task == "binary":
        require_binary_labels(labelled["label"])
    parts = [labelled[part[in_time] == i].reset_index(drop=True) for i in range(len(names))]
    framing.costs.at(examples[in_time])  # raise for unusable costs now, not after the search
    if empty := [name for name, part in zip(names, parts, strict=True) if part.empty]:
        raise RunError(
            f"The split leaves {' and '.join(empty)} without examples. The data have predictions "
            f"from {examples['predict_at'].min()} to {examples['predict_at'].max()}. "
            "Change framing.split, so that validation and test begin between them."
        )
    require_labels_that_differ(dict(zip(names, parts, strict=True)))
    summary = pd.DataFrame(
        {
            "part": names,
            "starts": pd.DatetimeIndex([pd.NaT, *starts]).as_unit("us"),
            "first": [p["predict_at"].min() for p in parts],
            "last": [p["predict_at"].max() for p in parts],
            "rows": [len(p) for p in parts],
            "label_mean": [p["label"].mean() for p in parts],
            "labels": [p["label"].nunique() for p in parts],
            "split": framing.split.stated(),
            "share": features.attrs.get(SHARE, 1.0),
            "left_out": [int((~in_time & (part == i)).sum()) for i in range(len(names))],
        }
    )
    return *parts, hash_keys(parts[2], contracts), summary
