"""Amounts carry their currency, and are rounded as an estimate is known."""

import pytest
from pydantic import TypeAdapter, ValidationError

from preflight.problem.money import Currency, format_money, symbol


@pytest.mark.parametrize(
    ("amount", "unit", "written"),
    [
        (29_412.3, "USD", "$29,400"),
        (-120.4, "USD", "-$120"),
        (29_412.3, "CHF", "CHF 29,400"),
        (-5.0, "CHF", "-CHF 5"),
        (3_623.4, "EUR", "€3,620"),
        (999.7, "GBP", "£1,000"),
        (47.46, "USD", "$47"),  # no cents from 10 on
        (9.996, "USD", "$10"),
        (4.567, "USD", "$4.57"),
        (0.5, "USD", "$0.50"),
        (0.0042, "USD", "$0.0042"),  # what is not zero is not written as zero
        (0.0, "USD", "$0"),
        (-1e-17, "USD", "$0"),
        (999_499, "USD", "$999,000"),
        (999_600, "USD", "$1 million"),
        (1_029_600, "USD", "$1.03 million"),
        (123_456_789, "USD", "$123 million"),
        (-2.346e9, "USD", "-$2.35 billion"),
        (5e12, "USD", "$5,000 billion"),
    ],
)
def test_an_estimate_has_three_digits_and_its_currency(
    amount: float, unit: str, written: str
) -> None:
    assert format_money(amount, unit) == written


@pytest.mark.parametrize(
    ("amount", "decimals", "written"),
    [
        (1_029_612.0, 2, "$1,029,612"),
        (12.5, 2, "$12.50"),
        (-12.345, 1, "-$12.3"),
        (0.0, 0, "$0"),
        (-0.4, 0, "$0"),
    ],
)
def test_an_exact_amount_is_not_rounded(amount: float, decimals: int, written: str) -> None:
    assert format_money(amount, "USD", decimals) == written


def test_a_currency_has_a_symbol_or_its_code() -> None:
    assert [symbol(unit) for unit in ("USD", "EUR", "GBP", "CHF")] == ["$", "€", "£", "CHF"]


@pytest.mark.parametrize("unit", ["euros", "times the price of acting", "usd", "$", "US", ""])
def test_a_unit_that_is_no_currency_is_refused_with_the_way_out(unit: str) -> None:
    currency = TypeAdapter(Currency)
    assert currency.validate_python("CHF") == "CHF"
    with pytest.raises(
        ValidationError, match=r"not a currency\. Give its ISO 4217 code, three cap"
    ):
        currency.validate_python(unit)
