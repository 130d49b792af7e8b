"""Errors that a user can cause, in words: what is wrong, where, and what to do."""

import re

from kedro.io import DatasetError
from kedro.validation import CheckFailure, DataValidationError, ParameterValidationError

from preflight.manifest import ManifestError


class RunError(Exception):
    """A run that must not go on; the message says why and what to do."""


def explain(error: BaseException) -> str | None:
    """Return the message for an error that a user can cause; None for a fault of the program."""
    if isinstance(error, DataValidationError):
        return _broken_contract(error)
    if isinstance(error, ParameterValidationError):
        # pydantic's own remarks (types, links to its pages) help its users, not ours
        return re.sub(r" \[type=.*\]$|\n +For further information.*$", "", str(error), flags=re.M)
    if isinstance(error, RunError | ManifestError | DatasetError):
        return str(error)
    return None


def _broken_contract(error: DataValidationError) -> str:
    """Return all failures of a contract, one line each: column, check, count and examples."""
    contract = (error.validator or "").rsplit(".", 1)[-1]
    when = {"load": "as read", "save": "before it was written"}.get(error.mode or "", "")
    lines = [f"Dataset '{error.dataset_name}', {when}, breaks its contract {contract}:"]
    columns_of_wrong_type = {f.column for f in error.failures if _kind(f) == "coerce_dtype"}
    for failure in error.failures:
        # A column of the wrong type fails its other checks too: say it once.
        if failure.column in columns_of_wrong_type and _kind(failure) != "coerce_dtype":
            continue
        lines.append(f"  - {_in_words(failure)}")
    if not error.failures:
        lines.append(f"  - {error.message}")
    lines.append(
        f"Nothing made from it was written. Correct the data, or change {error.validator} "
        "if the data are right."
    )
    return "\n".join(lines)


def _kind(failure: CheckFailure) -> str:
    return (failure.check or "").split("(")[0]


def _argument(failure: CheckFailure) -> str:
    return re.sub(r"^\w+\('?(.*?)'?\)$", r"\1", failure.check or "")


def _in_words(failure: CheckFailure) -> str:
    kind, examples = _kind(failure), [str(example) for example in failure.failure_examples]
    if kind == "column_in_dataframe":
        return f"column {', '.join(examples)} is missing"
    if kind == "column_in_schema":
        return f"column {', '.join(examples)} is not in the contract"
    if broken := re.search(r'BrokenRuleError\("(.*)"\)', examples[0] if examples else "", re.S):
        return f"rule '{failure.check}': {broken[1]}"
    meaning = {
        "not_nullable": "has missing values",
        "coerce_dtype": f"has values that are not {_argument(failure)}",
        "multiple_fields_uniqueness": "is part of a key that is not unique",
    }.get(kind, f"breaks '{failure.check or failure.message}'")
    cases = "value" if failure.failure_count == 1 else "values"
    return (
        f"column {failure.column} {meaning}: {failure.failure_count:,} {cases}, "
        f"e.g. {', '.join(examples[:3])}"
    )
