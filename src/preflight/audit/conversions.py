"""Units that are mixed up most often, and what turns one into the other."""

from typing import Any, NamedTuple

FACTORS = (  # units, and by what a value in the first is multiplied to be one in the second
    ("km", "m", 1000),
    ("m", "cm", 100),
    ("cm", "mm", 10),
    ("inches", "mm", 25.4),
    ("inches", "cm", 2.54),
    ("feet", "inches", 12),
    ("m", "feet", 3.28084),
    ("miles", "km", 1.609344),
    ("mph", "km/h", 1.609344),
    ("m/s", "km/h", 3.6),
    ("m/s", "mph", 2.236936),
    ("m/s", "knots", 1.943844),
    ("knots", "km/h", 1.852),
    ("knots", "mph", 1.150779),
    ("kg", "pounds", 2.204623),
    ("ounces", "g", 28.34952),
    ("gallons", "litres", 3.785412),
    ("inHg", "hPa", 33.86389),
    ("hours", "minutes", 60),
    ("days", "hours", 24),
    ("days", "minutes", 1440),
    ("minutes", "seconds", 60),
)
SAME = {  # other ways to write a unit
    "C": "°C",
    "F": "°F",
    "mi": "miles",
    "ft": "feet",
    "in": "inches",
    "kn": "knots",
    "kph": "km/h",
    "lb": "pounds",
    "oz": "ounces",
    "l": "litres",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
}
LARGE = 10  # a factor that no honest change has


class Conversion(NamedTuple):
    """What turns values in a wrong unit into the right one: factor * value + offset."""

    factor: float
    offset: float = 0
    wrong: str = ""
    right: str = ""

    def __call__(self, values: Any) -> Any:
        """Return the values in the right unit."""
        return self.factor * values + self.offset

    def spoil(self, values: Any) -> Any:
        """Return the values in the wrong unit."""
        return (values - self.offset) / self.factor

    @property
    def is_factor(self) -> bool:
        """Return whether zero stays zero: then ratios say more than differences."""
        return self.offset == 0

    @property
    def is_large(self) -> bool:
        """Return whether no honest change is of this kind."""
        return not self.is_factor or not 1 / LARGE < self.factor < LARGE

    def describe(self) -> str:
        """Return what is wrong in words."""
        units = f"as {self.wrong} in place of {self.right}" if self.right else ""
        if not self.is_factor:
            return units
        factor, size = (self.factor, "small") if self.factor > 1 else (1 / self.factor, "large")
        return f"{factor:.4g} times too {size}{', ' * bool(units)}{units}"


CONVERSIONS = (
    Conversion(1.8, 32, "°C", "°F"),
    Conversion(1 / 1.8, -32 / 1.8, "°F", "°C"),
    Conversion(1, 273.15, "°C", "K"),
    Conversion(1, -273.15, "K", "°C"),
    *(Conversion(factor, 0, one, other) for one, other, factor in FACTORS),
    *(Conversion(1 / factor, 0, other, one) for one, other, factor in FACTORS),
)
POWERS = tuple(Conversion(factor) for factor in (100, 1000, 1 / 100, 1 / 1000))


def conversions_to(unit: str | None) -> tuple[Conversion, ...]:
    """Return the conversions to the unit that a contract declares.

    All of them if it declares none, and powers of ten if nothing is known of the unit.
    """
    if unit is None:
        return CONVERSIONS
    unit = SAME.get(unit, unit)
    return tuple(one for one in CONVERSIONS if one.right == unit) or POWERS
