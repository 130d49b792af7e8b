"""A figure and a page have contracts that refuse a planted defect and pass its clean twin."""

from typing import Any

import pytest
from kedro.validation import DataValidationError
from matplotlib.figure import Figure as Drawn

from preflight.reporting.contracts import Html, datasheet, model_card
from preflight.reporting.figure_dataset import Figure

LOADS = "loads something from elsewhere, or needs a script"
PAGE = (
    "<!doctype html><html><head><style>p { background: url(#a) }</style></head>"
    "<body><p>@import and url(x) are text<br><img src='data:image/png;base64,AA'></p>"
    "<svg><circle r='1'/></svg></body></html>\n"
)


def bars() -> Drawn:
    figure = Drawn()
    figure.suptitle("Bars")
    axes = figure.subplots()
    axes.bar(["a"], [1])
    axes.set_ylabel("€")
    return figure


def faults(contract: Any, data: Any) -> list[str]:
    with pytest.raises(DataValidationError) as error:
        contract.validate(data)
    return [str(fault.check) for fault in error.value.failures]


def test_a_figure_has_something_to_show_a_title_and_a_named_axis() -> None:
    figure = bars()
    assert Figure().validate(figure) is figure
    unnamed = "does not name what its axes measure"
    assert faults(Figure(), Drawn()) == ["has no title", "shows nothing", unnamed]
    figure.axes[0].set_ylabel("")
    assert faults(Figure(), figure) == [unnamed]


def test_a_page_that_is_whole_and_loads_nothing_passes() -> None:
    assert Html().validate(PAGE) is PAGE


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (PAGE[:60], ["is cut short"]),
        (PAGE.replace("<!doctype html>", ""), ["has no doctype"]),
        (PAGE.replace("<p>", "<script src='https://a.org/b.js'></script><p>"), [LOADS]),
        (PAGE.replace("<p>", "<script>1</script><p>"), [LOADS]),
        (PAGE.replace("<p>", "<p onclick='a()'>"), [LOADS]),
        (PAGE.replace("<p>", "<p><img src='a.png'>"), [LOADS]),
        (PAGE.replace("<style>", "<link href='a.css' rel='stylesheet'><style>"), [LOADS]),
        (PAGE.replace("<style>", "<style>@import 'a.css';"), [LOADS]),
        (PAGE.replace("url(#a)", "url(https://a.org/b.png)"), [LOADS]),
        (PAGE.replace("<p>", "<p>" + "x" * 3_000_000), ["is larger than 3,000,000 bytes"]),
    ],
)
def test_a_page_that_is_not_whole_or_not_alone_is_refused(page: str, expected: list[str]) -> None:
    assert sorted(faults(Html(), page)) == sorted(expected)


@pytest.mark.parametrize("contract", [model_card, datasheet])
def test_a_section_that_is_missing_or_says_nothing_is_refused(contract: Any) -> None:
    names = contract._names
    card = "# Card\n\n" + "\n".join(f"## {name}\n\nSo it is.\n" for name in names)
    assert contract.validate(card) == card
    assert len(names) >= 7
    for name in names:
        section = f"## {name}\n\nSo it is.\n"
        for defect in ("", f"## {name}\n\n- \n"):
            assert faults(contract, card.replace(section, defect)) == [
                f"has nothing under '{name}'"
            ]
