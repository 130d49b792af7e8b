"""The model card and the datasheet say what the datasets say, section by section."""

import re
from typing import Any

import pytest

from preflight.errors import RunError
from preflight.reporting import contracts
from preflight.reporting import report as pages
from preflight.reporting.report import collect_results, render_model_card

CARDS = ["model_card", "datasheet"]


@pytest.mark.parametrize("card", CARDS)
def test_a_card_meets_its_contract_in_markdown(card: str, results: dict[str, Any]) -> None:
    text = getattr(pages, f"render_{card}")(collect_results(**results))
    assert getattr(contracts, card).validate(text) is text
    assert not re.search(r"undefined|\b(None|nan)\b|\n\n\n", text)
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1, table
    assert len(tables) > 1


def test_the_card_says_what_is_reported(results: dict[str, Any]) -> None:
    text = render_model_card(collect_results(**results))
    for said in [
        "# Model card: fewer broken parcels",
        "the candidate saves €22 more per 1,000 parcels than table of rates",
        "`a.Tree` of scikit-learn 1.9.1, fitted on 7,000 parcels",
        "acting costs €2 if it was needed and €1 if not, not acting €6 and €0",
        "Not for: as they say.",
        "| candidate | €123 (€90\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}€160) | 0.712",
        "| depot north | 700 | €120",
        "Not tested, assumption: parcels.weight: as stated.",
    ]:
        assert said in text, said


def test_a_candidate_that_is_not_the_one_measured_is_refused(results: dict[str, Any]) -> None:
    files = results["provenance"]["files"]
    files["candidate"]["version"] = "2026-01-31T00.00.00.000Z"
    with pytest.raises(RunError, match=r"candidate of 2026-01-31.* after the test set"):
        collect_results(**results)
