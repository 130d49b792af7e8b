"""Amounts of money as text: with their currency, estimates rounded to three digits."""

import math
import re
from typing import Annotated

from pydantic import AfterValidator

SYMBOLS = {"USD": "$", "EUR": "\N{EURO SIGN}", "GBP": "\N{POUND SIGN}"}
SCALES = {" billion": 1e9, " million": 1e6}


def _iso_4217(unit: str) -> str:
    if not re.fullmatch("[A-Z]{3}", unit):
        raise ValueError(
            f"{unit!r} is not a currency. Give its ISO 4217 code, three capital letters, "
            "such as USD, EUR or CHF"
        )
    return unit


Currency = Annotated[str, AfterValidator(_iso_4217)]


def symbol(unit: str) -> str:
    """Return how a currency is written on an axis: its symbol, or its code."""
    return SYMBOLS.get(unit, unit)


def format_money(amount: float, unit: str, decimals: int | None = None) -> str:
    """Return an amount with its currency: "$29,400", "-$120", "CHF 4.50", "$1.03 million".

    Args:
        amount: in the currency.
        unit: the currency, as an ISO 4217 code.
        decimals: digits after the point, for an exact amount. None rounds an estimate to three
            significant digits, without cents from 10 on.
    """
    size = abs(float(amount))
    if decimals is not None or size < 9.995:
        some = 4 if 0.00005 <= size < 0.005 else 2
        number = f"{size:,.{some if decimals is None else decimals}f}".removesuffix(".00")
    else:
        size = round(size, min(0, 2 - math.floor(math.log10(size))))
        word, many = next((pair for pair in SCALES.items() if size >= pair[1]), ("", 1.0))
        number = f"{size / many:,.12g}{word}"
    minus = "-" if amount < 0 and re.search("[1-9]", number) else ""
    return f"{minus}{SYMBOLS.get(unit, f'{unit} ')}{number}"
