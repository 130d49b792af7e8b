"""The split by time, as the framing gives it: by dates or by weeks, and what follows from it."""

from collections.abc import Sequence
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from pydantic import AfterValidator, AwareDatetime, Field, PositiveInt, model_validator

from preflight.contracts.documents import Parameters
from preflight.errors import RunError


def _known_timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone such as 'America/New_York'") from error
    return name


def _is_unset(value: Any) -> bool:
    return value is None


# Models keep the framing that they were made under, which has only what was given.
Date = Annotated[AwareDatetime | None, Field(exclude_if=_is_unset)]
Weeks = Annotated[PositiveInt | None, Field(exclude_if=_is_unset)]


def monday_of(day: pd.Series) -> pd.Series:
    """Return the Monday of each day's week."""
    return day - pd.to_timedelta(day.dt.day_of_week, unit="D")


class Split(Parameters):
    """The split by time, by two dates or by two numbers of weeks.

    Train ends where validation begins, and validation where test begins.
    """

    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        description="time zone of days and months"
    )
    validation_from: Date = None
    test_from: Date = None
    validation_weeks: Weeks = None
    test_weeks: Weeks = None
    groups: list[str] = Field([], description="features whose values may be in one part only")
    embargo_hours: float = Field(0, ge=0)

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Refuse other than two dates or two numbers of weeks, and a test before the validation."""
        dates, weeks = ["validation_from", "test_from"], ["validation_weeks", "test_weeks"]
        given = [name for name in dates + weeks if getattr(self, name) is not None]
        if given not in (dates, weeks):
            raise ValueError(
                f"give either {' and '.join(dates)} (dates), or {' and '.join(weeks)} (numbers of "
                f"weeks), and leave out the other two or set them to null; you gave "
                f"{', '.join(given) or 'none of them'}"
            )
        if self.test_from and self.validation_from and self.test_from <= self.validation_from:
            raise ValueError(
                f"test_from ({self.test_from}) must come after "
                f"validation_from ({self.validation_from})"
            )
        return self

    def starts(self, last: pd.Timestamp) -> pd.DatetimeIndex:
        """Return the moments at which validation and test begin, in UTC, shape (2,).

        Weeks are counted back from the end of the last local day.

        last: the last moment of prediction of an example with a known label.
        """
        if self.validation_weeks is None or self.test_weeks is None:
            dates: list[Any] = [self.validation_from, self.test_from]
            return pd.to_datetime(dates, utc=True)
        return self.weeks_before(last, [self.validation_weeks + self.test_weeks, self.test_weeks])

    def weeks_before(self, last: pd.Timestamp, weeks: Sequence[int]) -> pd.DatetimeIndex:
        """Return the midnights so many weeks before the end of a moment's local day, in UTC."""
        end = self.day(pd.Series([last])).iloc[0] + pd.Timedelta(days=1)
        midnights = pd.DatetimeIndex([end - pd.Timedelta(weeks=number) for number in weeks])
        # Where clocks change at midnight there may be none, or two: then the day begins later, or
        # with the first.
        return midnights.tz_localize(
            self.timezone, nonexistent="shift_forward", ambiguous=np.full(len(weeks), True)
        ).tz_convert("UTC")

    def require(self, split_summary: pd.DataFrame, **parts: pd.DataFrame) -> None:
        """Raise RunError if a part, by its name, was not made under this split.

        split_summary: of the parts, as `split_examples` returns it.
        """
        again = "Run feature_engineering and all later stages again."
        made, was = split_summary.set_index("part"), split_summary["starts"].iloc[1:]
        starts = self.starts(made["last"].loc["test"])
        if (was != starts).any():
            raise RunError(
                f"Validation and test begin on {' and '.join(map(str, was))}, but by framing.split "
                f"on {' and '.join(map(str, starts))}. {again}"
            )
        embargo = pd.Timedelta(hours=self.embargo_hours)
        begins = dict(zip(made.index, [pd.NaT, *starts], strict=True))
        ends = dict(zip(made.index, [*starts, pd.NaT], strict=True))
        for name, part in parts.items():
            first, last = part["predict_at"].min(), part["label_known_at"].max()
            if first < begins[name] or last + embargo > ends[name]:
                raise RunError(
                    f"'{name}' has predictions from {first} on, and labels that were known by "
                    f"{last}, which does not fit framing.split. {again}"
                )

    def day(self, moments: pd.Series) -> pd.Series:
        """Return the local calendar day (midnight, no time zone) of each moment in UTC."""
        return moments.dt.tz_convert(self.timezone).dt.tz_localize(None).dt.normalize()
