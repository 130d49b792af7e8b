"""Messages for errors that a user can cause: what is wrong, where, and how to fix it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

from kedro.io import DatasetError
from kedro.validation import CheckFailure, DataValidationError, ParameterValidationError

from preflight.remedies import find_remedy

# checks of features in every Table, with what to do where the feature is computed
NOT_FINITE = "features with values that are infinite, or too large for 32 bits"
NO_TEXT = "features with categories that are not text"
FEATURE_REMEDIES = {
    NOT_FINITE: "Make such values missing (NaN), or cap them, in the function that computes the "
    "feature.",
    NO_TEXT: "Declare a number as float or int. For a code, convert with "
    '.astype(str).astype("category") in the function that computes the feature.',
}

# names of checks: pandera's, and that of RawTable
UNIQUENESS_CHECK = "multiple_fields_uniqueness"
TYPE_CHECK, MISSING_CHECK, CONVERSION_CHECK = "dtype", "not_nullable", "representable"
CAUSES = (MISSING_CHECK, CONVERSION_CHECK)  # of a wrong type
COLUMN_CHECKS = {"column_in_dataframe": "missing", "column_in_schema": "not in the contract"}
MEANINGS = {
    MISSING_CHECK: "has missing values",
    CONVERSION_CHECK: "has values that {} can't hold",
    TYPE_CHECK: "is not of type {}",
    "greater_than_or_equal_to": "is below {}",
    "less_than_or_equal_to": "is above {}",
    "greater_than": "is not above {}",
    "less_than": "is not below {}",
    "isin": "is none of {}",
}

DAMAGE = (ValueError, EOFError, BadZipFile, UnpicklingError)  # what libraries raise of such a file
FILE_FAULT = "The file itself: "  # begins a note that says all, whatever followed from it
NO_VERSION = "Did not find any versions"  # in Kedro's message

PARAMETER_MESSAGES = {  # what is replaced in Kedro's message, line by line
    r"\AParameter validation failed:\n": "",
    r"^    For further information .*\n?": "",
    r" \[type=.*\]$": "",
    r"^- Parameter '(\w+)': Failed .*": r"The parameters '\1' (conf, or --params) are not valid:",
    r"^(?!The parameters )(\S.*)\n  (?=\S)": r"  - \1: ",  # a setting and its error
    r"^  (?=[^ -])": "  - ",
    r"\bValue error, ": "",
    r"Input should have timezone info": "give the moment with its offset, as in "
    "2013-10-05T12:00:00Z",
    r"Input should be a valid list": "give a list, as in [a, b]; lists are set in conf, not with "
    "--params",
    r"Extra inputs are not permitted": "there is no such setting",
    r"\bcosts\.(outcomes|errors)\b": "costs",  # pydantic's name of an alternative
}


class RunError(Exception):
    """An error that stops a run; its message says why, and how to fix it."""


class PredictionError(RunError, ValueError):
    """An estimator predicts no number; also a ValueError, as scikit-learn raises for such input."""


class AlarmError(RunError):
    """An alarm after a run that did its work: all is saved, and the exit status is its own."""

    exit_status = 3


def explain(error: BaseException) -> str | None:
    """Return the message for an error that a user can cause; None for a bug."""
    notes = getattr(error, "__notes__", [])  # from the hooks, which know node and file
    faults = [note.removeprefix(FILE_FAULT) for note in notes if note.startswith(FILE_FAULT)]
    return faults[0] if faults else _explain(error, notes)


def _explain(error: BaseException, notes: list[str]) -> str | None:
    if isinstance(error, DataValidationError):
        return _broken_contract(error)
    if isinstance(error, ParameterValidationError):
        return _wrong_parameters(str(error))
    if isinstance(error, DatasetError):
        if isinstance(cause := _cause_of(error), RunError):
            return explain(cause)
        return "\n".join(notes) or _dataset_error(str(error))
    if isinstance(error, RunError):
        return "\n".join([str(error), *notes])
    return str(error) if _raised_by_kedro(error) else None


def _wrong_parameters(message: str) -> str:
    """Return all errors of the parameters, one per line, without remarks for developers."""
    for pattern, new in PARAMETER_MESSAGES.items():
        message = re.sub(pattern, new, message, flags=re.MULTILINE)
    return message.strip("\n")


def _raised_by_kedro(error: BaseException) -> bool:
    """Return whether Kedro itself raised, for example for an unknown pipeline or node."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("kedro.")


def is_damage(error: DatasetError) -> bool:
    """Return whether a dataset can't be loaded because its file has other content than it should.

    Libraries raise ValueError, an error of their own, or an OSError without a number from the
    system. An OSError with a number, such as a missing right, and wrong arguments are no damage.
    """
    message, cause = str(error), _cause_of(error)
    if "Failed while loading" not in message or "Untrusted types found" in message:
        return False
    if isinstance(cause, OSError):
        return cause.errno is None
    return isinstance(cause, DAMAGE)


def _cause_of(error: BaseException) -> BaseException | None:
    """Return what a dataset met with: the catalog raises its error again."""
    cause = error.__cause__
    return _cause_of(cause) if isinstance(cause, DatasetError) else cause


def _dataset_error(message: str) -> str:
    name = message.split(":", 1)[0]
    if NO_VERSION in message:
        return f"There is no '{name}' yet. `make run` makes everything from the raw data."
    if "Untrusted types found" in message:
        types = message.rsplit("file: ", 1)[-1]
        return (
            f"The file of '{name}' holds types that are not trusted: {types} Loading one may run "
            "its code. If you trust them, add them to _trusted in conf/base/catalog/modeling.yml."
        )
    return message


def _broken_contract(error: DataValidationError) -> str:
    """Return all failures of a contract, one per line: column, check, count and examples.

    Kedro's own message cuts an example at 40 characters, and so the sentence of a rule. It lists a
    key once per column, and a wrong type together with all that follows from it.
    """
    contract = (error.validator or "").rsplit(".", 1)[-1]
    when = {"load": ", as read,", "save": ", before it was written,"}.get(error.mode or "", "")
    file = "".join(f" ({note})" for note in getattr(error, "__notes__", []))
    found = list(_deduplicated(_all_failures(error)))
    columns = getattr(getattr(error.__cause__, "schema", None), "columns", {})
    about = {name: getattr(one, "metadata", None) or {} for name, one in columns.items()}
    failures = [_describe(failure, about.get(failure.column, {})) for failure in found]
    remedy = f"Correct the data, or change {error.validator} if the data are right."
    if found and all(failure.check in FEATURE_REMEDIES for failure in found):
        remedy = ""
    return (
        "\n  - ".join(
            [
                f"Dataset '{error.dataset_name}'{when} breaks its contract {contract}{file}:",
                *(failures or [error.message]),
            ]
        )
        + f"\nNothing made from it was written. {remedy}".rstrip()
    )


def _all_failures(error: DataValidationError) -> list[CheckFailure]:
    """Return all failures: names of columns complete, of which Kedro keeps five; else examples.

    Where data were read, the first example comes with its row, of a key as a whole.
    """
    cases = getattr(error.__cause__, "failure_cases", None)
    if cases is None:
        return error.failures
    found = []
    key = [f for f in error.failures if _kind(f) == UNIQUENESS_CHECK][:-1]
    for failure in error.failures:
        same = cases[cases["check"] == failure.check]
        if failure.check in COLUMN_CHECKS:
            found.append(replace(failure, failure_examples=list(same["failure_case"])))
            continue
        examples = [_as_in_file(value, failure) for value in failure.failure_examples]
        row = same.loc[same["column"] == failure.column, "index"].head(1).tolist()
        if error.mode == "load" and failure not in key and _is_place(row):
            examples[0] = f"{examples[0]} (data row {int(row[0]) + 1:,})"
        found.append(replace(failure, failure_examples=examples))
    return found


def _is_place(row: list[Any]) -> bool:
    """Return whether there is a row, numbered from 0; a fault of the whole table has none."""
    return bool(row) and isinstance(row[0], int | float) and row[0] >= 0


def _as_in_file(value: Any, failure: CheckFailure) -> Any:
    """Return a value; a float from 2**53 on is no longer what the file contains."""
    is_rounded = isinstance(value, float) and 2**53 <= abs(value) < float("inf")
    return f"about {value:.0f}" if is_rounded and _kind(failure) == CONVERSION_CHECK else value


def _deduplicated(failures: list[CheckFailure]) -> Iterator[CheckFailure]:
    """Yield each fault once: a wrong type without what follows from it, a key as a whole.

    Of a column with a wrong type, the cause is yielded if there is one: missing values, or values
    that the type can't hold.
    """
    wrong = {f.column: f for f in reversed(failures) if _kind(f) == TYPE_CHECK}
    for column, wrong_type in wrong.items():
        causes = [f for f in failures if f.column == column and _kind(f) in CAUSES]
        type_name = (wrong_type.check or "").removeprefix(TYPE_CHECK)
        for cause in causes or [wrong_type]:
            converted = _kind(cause) == CONVERSION_CHECK
            yield replace(cause, check=CONVERSION_CHECK + type_name) if converted else cause
    others = [f for f in failures if f.column not in wrong]
    if key := [f for f in others if _kind(f) == UNIQUENESS_CHECK]:
        rows = zip(*(f.failure_examples for f in key), strict=True)
        names = ", ".join(str(f.column) for f in key)
        examples = [", ".join(map(str, row)) for row in rows]
        yield replace(key[0], column=names, failure_examples=examples)
    yield from (f for f in others if f not in key)


def _kind(failure: CheckFailure) -> str:
    return (failure.check or "").split("(")[0]


def meaning_of(check: str) -> str:
    """Return what a broken check of pandera says of a value, such as "is above 10"."""
    argument = re.sub(r"^\w+\('?(.*?)'?\)$", r"\1", check)
    return MEANINGS.get(check.partition("(")[0], f"breaks '{check}'").format(argument)


def _describe(failure: CheckFailure, metadata: Mapping[str, Any]) -> str:
    """Return a failure in one line; metadata: of its column, as the contract declares it."""
    kind, examples = _kind(failure), [str(example) for example in failure.failure_examples]
    if kind in COLUMN_CHECKS:
        one = len(examples) == 1
        names = f"{'column' if one else 'columns'} {', '.join(examples)} {'is' if one else 'are'}"
        return f"{names} {COLUMN_CHECKS[kind]}"
    if kind == UNIQUENESS_CHECK:
        rows = "; ".join(examples[:3])
        return f"key {failure.column} is not unique: {failure.failure_count:,} rows, e.g. {rows}"
    if broken := re.search(r'BrokenRuleError\("(.*)"\)', examples[0] if examples else "", re.S):
        if remedy := FEATURE_REMEDIES.get(failure.check or ""):
            return f"{failure.check}: {broken[1]}. {remedy}"
        return f"rule '{failure.check}': {broken[1]}"
    meaning = meaning_of(failure.check or failure.message)
    cases = "value" if failure.failure_count == 1 else "values"
    where = f"column {failure.column} " if failure.column else ""
    told = f"{where}{meaning}: {failure.failure_count:,} {cases}, e.g. {', '.join(examples[:3])}"
    if kind != CONVERSION_CHECK:
        return told
    values = [re.sub(r" \(data row [\d,]+\)$", "", example) for example in examples]
    dtype = (failure.check or "").removeprefix(CONVERSION_CHECK).strip("()'")
    return f"{told}. {find_remedy(str(failure.column), dtype, values, metadata)}".rstrip(". ")
