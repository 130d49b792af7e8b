"""The reference in Markdown: parameters, and all tables and columns that contracts declare."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pandera.pandas as pa

from preflight.contracts.catalog import contracts_of, specs_of, tables
from preflight.contracts.table import IN_ADVANCE, Table

HEAD = """\
# Contracts and parameters

`make docs` writes this page from `conf/base/parameters` and from the contracts.

## Parameters

One table for each file of `conf/base/parameters`. A line in bold type is the section of the lines \
below it: `fn` below **framing.costs** is `framing.costs.fn`. "Here" is the value in this project. \
If it is empty, the parameter is not set, and has its default.

{parameters}
## Contracts

All tables with a contract, and their columns. [Contracts](contracts.md) explains how to read and \
change a contract.
"""
TYPES = {"string[pyarrow]": "text", "str": "text", "datetime64[us, UTC]": "moment"}
LEAST, MOST = "greater_than_or_equal_to", "less_than_or_equal_to"  # pandera's names
BOUNDS = {
    LEAST: "≥ {}",
    MOST: "≤ {}",
    "greater_than": "> {}",
    "less_than": "< {}",
    "isin": "one of {}",
}


def write_dictionary(catalog: dict[str, Any], parameters: str = "") -> str:
    """Return the page: the parameters, and one section per contract, in the order of data folders.

    catalog: the entries as in conf. Datasets with the same contract share a section.
    parameters: what `write_parameters` returns.
    """
    datasets: dict[type[Table], list[str]] = defaultdict(list)
    entries = {n: catalog[n] for n in sorted(catalog, key=lambda n: catalog[n].get("filepath", ""))}
    for name, contract in tables(contracts_of(specs_of(entries))).items():
        datasets[contract].append(name)
    head = HEAD.format(parameters=parameters)
    return "\n".join([head, *("\n".join(describe_table(*one)) for one in datasets.items())])


def describe_table(contract: type[Table], datasets: list[str]) -> Iterator[str]:
    """Yield the lines of a table: its grain, its key, when it becomes known, its columns."""
    yield f"### {', '.join(datasets)}\n"
    known_at, key = contract.about("known_at"), ", ".join(f"`{name}`" for name in contract.grain())
    yield " ".join((contract.__doc__ or "").split()) + "\n"
    when = known_at if known_at == IN_ADVANCE else f"at `{known_at}`"
    yield f"Key: {key}.{f' Known: {when}.' if known_at else ''}\n"
    yield "| column | meaning | type | unit | values |\n|---|---|---|---|---|"
    schema = contract.to_schema().columns
    for name, about in contract.columns().items():
        cells = [
            f"`{name}`",
            about["description"] + _later(about),
            TYPES.get(str(schema[name].dtype), str(schema[name].dtype)),
            about.get("unit", ""),
            "; ".join(_values(schema[name])),
        ]
        yield "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"
    yield ""


def _later(about: dict[str, Any]) -> str:
    if "assumption" in about:
        return "; assumed known with its row"
    known_at = about.get("known_at")
    if known_at in (None, IN_ADVANCE):
        return "; known in advance" if known_at else ""
    return f"; known at `{known_at}`"


def _values(column: pa.Column) -> Iterator[str]:
    """Yield the allowed values of a column, by the checks that BOUNDS describes."""
    bounds = {one.name: next(iter((one.statistics or {}).values()), None) for one in column.checks}
    if {LEAST, MOST} <= bounds.keys():
        yield f"{bounds.pop(LEAST)} to {bounds.pop(MOST)}"
    for name, bound in bounds.items():
        if name in BOUNDS:
            listed = ", ".join(map(str, bound or [])) if name == "isin" else bound
            yield BOUNDS[name].format(listed)
    if column.nullable:
        yield "may be missing"
