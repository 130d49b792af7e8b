"""Errors that a user can cause, in words: what is wrong, where, and what to do."""

import re
from collections.abc import Iterator
from dataclasses import replace

from kedro.io import DatasetError
from kedro.validation import CheckFailure, DataValidationError, ParameterValidationError

KEY = "multiple_fields_uniqueness"  # pandera's names of checks
UNFIT = "representable"  # the check of RawTable
COLUMNS = {"column_in_dataframe": "missing", "column_in_schema": "not in the contract"}


class RunError(Exception):
    """A run that must not go on; the message says why and what to do."""


def explain(error: BaseException) -> str | None:
    """Return the message for an error that a user can cause; None for a fault of the program."""
    if isinstance(error, DataValidationError):
        return _broken_contract(error)
    if isinstance(error, ParameterValidationError):
        return _wrong_parameters(str(error))
    if isinstance(error, DatasetError):
        return _dataset_error(str(error))
    if isinstance(error, RunError) or _raised_by_kedro(error):
        return str(error)
    return None


SETTINGS = {  # pydantic's words, and ours
    "Extra inputs are not permitted": "there is no such setting",
    "Field required": "is missing",
    "Input should have timezone info": "needs its offset, as in 2013-09-01T00:00:00-04:00",
    "Value error, ": "",
    "String should have at least 1 character": "says nothing",
    "Input should be a valid ": "is not a valid ",
    "Input should be ": "should be ",
}


def _wrong_parameters(message: str) -> str:
    """Return all faults of the parameters, a line each: the name of a setting and its fault."""
    lines = []
    for line in message.splitlines():
        if fault := re.match(r"- Parameter '(\w+)': Failed to instantiate", line):
            lines.append(f"The parameters '{fault[1]}' (conf, or --params) can't be used:")
        elif line.startswith("  ") and not line.strip().startswith("For further information"):
            said = re.sub(r" \[type=.*\]$", "", line.strip())
            for theirs, ours in SETTINGS.items():
                said = said.replace(theirs, ours)
            where = "" if lines[-1].endswith(":") or lines[-1].startswith("  - ") else lines.pop()
            lines.append(f"  - {where}{': ' * bool(where)}{said}")
        elif line and not line.startswith(("Parameter validation failed", "    ")):
            # pydantic names which kind of costs it took them for
            lines.append(re.sub(r"\bcosts\.(outcomes|errors)\b", "costs", line.strip()))
    return "\n".join(lines)


def _raised_by_kedro(error: BaseException) -> bool:
    """Return whether Kedro itself refused: a pipeline, a node or an environment that is not."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("kedro.")


def _dataset_error(message: str) -> str:
    name = message.split(":", 1)[0]
    if "Did not find any versions" in message:
        return f"There is no '{name}' yet. `make run` makes everything from the raw data."
    if "Untrusted types found" in message:
        types = message.rsplit("file: ", 1)[-1]
        return (
            f"The file of '{name}' holds types that are not trusted: {types} Loading one may run "
            "its code. If you know them, add them to _trusted in conf/base/catalog/modeling.yml."
        )
    return message


def _broken_contract(error: DataValidationError) -> str:
    """Return all failures of a contract, one line each: column, check, count and examples."""
    contract = (error.validator or "").rsplit(".", 1)[-1]
    when = {"load": "as read", "save": "before it was written"}.get(error.mode or "", "")
    lines = [f"Dataset '{error.dataset_name}', {when}, breaks its contract {contract}:"]
    lines += [f"  - {_in_words(failure)}" for failure in _told_once(_whole(error))]
    if not error.failures:
        lines.append(f"  - {error.message}")
    lines.append(
        f"Nothing made from it was written. Correct the data, or change {error.validator} "
        "if the data are right."
    )
    return "\n".join(lines)


def _whole(error: DataValidationError) -> list[CheckFailure]:
    """Return all failures; Kedro keeps five examples of each, which is too few column names."""
    cases = getattr(error.__cause__, "failure_cases", None)
    if cases is None:
        return error.failures
    return [
        replace(f, failure_examples=list(cases["failure_case"][cases["check"] == f.check]))
        if _kind(f) in COLUMNS
        else f
        for f in error.failures
    ]


def _told_once(failures: list[CheckFailure]) -> Iterator[CheckFailure]:
    """Yield each fault once: a wrong type before what follows from it, a key as a whole.

    A column has a wrong type because of missing values, or of values that the type can't hold,
    where there are such: these are told.
    """
    wrong = {f.column: f for f in reversed(failures) if _kind(f) == "dtype"}
    causes = [f for f in failures if f.column in wrong and _kind(f) in (UNFIT, "not_nullable")]
    caused = {f.column for f in causes}
    for f in [*causes, *(f for name, f in wrong.items() if name not in caused)]:
        type_of = (wrong[f.column].check or "").removeprefix("dtype")
        yield replace(f, check=f"{UNFIT}{type_of}") if _kind(f) == UNFIT else f
    key = [f for f in failures if _kind(f) == KEY and f.column not in wrong]
    if key:
        rows = list(zip(*(f.failure_examples for f in key), strict=True))
        names = ", ".join(str(f.column) for f in key)
        yield replace(key[0], column=names, failure_examples=rows)
    yield from (f for f in failures if f.column not in wrong and f not in key)


def _kind(failure: CheckFailure) -> str:
    return (failure.check or "").split("(")[0]


def _in_words(failure: CheckFailure) -> str:
    kind, examples = _kind(failure), [str(example) for example in failure.failure_examples]
    if kind in COLUMNS:
        one = len(examples) == 1
        names = f"{'column' if one else 'columns'} {', '.join(examples)} {'is' if one else 'are'}"
        return f"{names} {COLUMNS[kind]}"
    if kind == KEY:
        rows = "; ".join(", ".join(map(str, row)) for row in failure.failure_examples[:3])
        return f"key {failure.column} is not unique: {failure.failure_count:,} rows, e.g. {rows}"
    if broken := re.search(r'BrokenRuleError\("(.*)"\)', examples[0] if examples else "", re.S):
        return f"rule '{failure.check}': {broken[1]}"
    argument = re.sub(r"^\w+\('?(.*?)'?\)$", r"\1", failure.check or "")
    meaning = {
        "not_nullable": "has missing values",
        UNFIT: f"has values that {argument} can't hold",
        "dtype": f"is not of type {argument}",
        "greater_than_or_equal_to": f"is below {argument}",
        "less_than_or_equal_to": f"is above {argument}",
        "greater_than": f"is not above {argument}",
        "less_than": f"is not below {argument}",
        "isin": f"is none of {argument}",
    }.get(kind, f"breaks '{failure.check or failure.message}'")
    cases = "value" if failure.failure_count == 1 else "values"
    where = f"column {failure.column} " if failure.column else ""
    return f"{where}{meaning}: {failure.failure_count:,} {cases}, e.g. {', '.join(examples[:3])}"
