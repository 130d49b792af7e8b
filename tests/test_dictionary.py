"""The data dictionary has every contracted table and says what the contracts say."""

import re

from kedro.config import OmegaConfigLoader
from kedro.validation import ValidatorSpec, resolve_validator

from preflight.dictionary import dictionary


def section(page: str, title: str) -> str:
    return re.split(r"^## ", page.split(f"\n## {title}\n")[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_every_contracted_table_and_column_is_in_it(conf: OmegaConfigLoader) -> None:
    catalog = conf["catalog"]
    page = dictionary(catalog)
    titles = [
        name
        for line in re.findall(r"^## (.*)", page, flags=re.MULTILINE)
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


def test_a_column_is_told_in_words(conf: OmegaConfigLoader) -> None:
    page = dictionary(conf["catalog"])
    assert "| `temp` | temperature | float64 | °F | -40 to 130; may be missing |" in page
    weather = section(page, "weather")
    assert "Key: `origin`, `hour_start`. Known: at `published_at`." in weather
    assert "one of EWR, JFK, LGA" in weather
    flights = section(page, "flights")
    assert "Known: in advance." in flights
    assert "departure less scheduled departure; known at `departed_at`" in flights
    assert "; assumed known with its row" in flights


def test_what_a_catalog_does_not_contract_is_left_out() -> None:
    catalog = {
        "a": {"type": "MemoryDataset"},
        "b": {"validator": "preflight.contracts.verdict", "filepath": "b.json"},
        "c": {"validator": "preflight.contracts.raw.RawAirlines", "filepath": "c.csv"},
    }
    assert re.findall(r"^## (.*)", dictionary(catalog), flags=re.MULTILINE) == ["c"]
