"""The data dictionary has every contracted table and says what the contracts say."""

import re

from kedro.config import OmegaConfigLoader
from kedro.validation import ValidatorSpec, resolve_validator

from preflight.cli.dictionary import describe_table, write_dictionary
from preflight.contracts.table import Table, Utc, column
from preflight.evaluation import contracts as results


class Boxes(Table, key=["number"], known_at="sent_at"):
    """One row per box."""

    number: int = column("the box", ge=1, le=9)
    kind: str = column("kind | make", isin=["crate", "bag"])
    sent_at: Utc = column("moment of sending", "UTC")
    weighed_at: Utc = column("moment", "UTC", nullable=True, known_at="weighed_at")
    weight: float = column("weight", "kg", nullable=True, gt=0, known_at="weighed_at")
    lid: float = column("lid", nullable=True, known_at="weighed_at", assumption="seen")


def test_every_contracted_table_and_column_is_in_it(conf: OmegaConfigLoader) -> None:
    catalog = conf["catalog"]
    page = write_dictionary(catalog)
    titles = [
        name
        for line in re.findall(r"^### (.*)", page, flags=re.MULTILINE)
        for name in line.split(", ")
    ]
    specs = {
        name: ValidatorSpec.from_dataset_config(name, entry["validator"])
        for name, entry in catalog.items()
        if "validator" in entry
    }
    contracts = {
        name: getattr(resolve_validator(one), "_schema", None) for name, one in specs.items()
    }
    tables = {name: one for name, one in contracts.items() if one is not None}
    assert sorted(titles) == sorted(tables)
    rows = re.findall(r"^\| `", page, flags=re.MULTILINE)
    assert len(rows) == sum(len(one.columns()) for one in set(tables.values()))


def test_a_table_is_told_in_words() -> None:
    assert list(describe_table(Boxes, ["boxes", "old_boxes"])) == [
        "### boxes, old_boxes\n",
        "One row per box.\n",
        "Key: `number`. Known: at `sent_at`.\n",
        "| column | meaning | type | unit | values |\n|---|---|---|---|---|",
        "| `number` | the box | int64 |  | 1 to 9 |",
        "| `kind` | kind \\| make | text |  | one of crate, bag |",
        "| `sent_at` | moment of sending | moment | UTC |  |",
        "| `weighed_at` | moment; known at `weighed_at` | moment | UTC | may be missing |",
        "| `weight` | weight; known at `weighed_at` | float64 | kg | > 0; may be missing |",
        "| `lid` | lid; assumed known with its row | float64 |  | may be missing |",
        "",
    ]


def test_what_a_catalog_does_not_contract_is_left_out() -> None:
    catalog = {
        "a": {"type": "MemoryDataset"},
        "b": {"validator": f"{results.__name__}.verdict", "filepath": "b.json"},
        "c": {"validator": f"{results.__name__}.Slices", "filepath": "c.parquet"},
    }
    assert re.findall(r"^### (.*)", write_dictionary(catalog), flags=re.MULTILINE) == ["c"]
