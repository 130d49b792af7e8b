"""The split by time, as the framing gives it: by dates or by weeks, and what follows from it."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self
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
Share = Annotated[float | None, Field(gt=0, lt=1, exclude_if=_is_unset)]
Clock = Annotated[Literal["none"] | None, Field(exclude_if=_is_unset)]

WAYS = [
    ["validation_from", "test_from"],
    ["validation_weeks", "test_weeks"],
    ["validation_share", "test_share"],
]
USUAL_SHARE = 0.2
# Without a clock, moments are drawn in this year: see `preflight.features.draw_moments`.
FIRST_DRAWN, DRAWN_DAYS = pd.Timestamp("2000-01-01", tz="UTC"), 360


def monday_of(day: pd.Series) -> pd.Series:
    """Return the Monday of each day's week."""
    return day - pd.to_timedelta(day.dt.day_of_week, unit="D")


class Split(Parameters):
    """The split by time: by two dates, two numbers of weeks or two shares of the decisions.

    Train ends where validation begins, and validation where test begins. Without a clock, decisions
    are put into parts at random, by two shares: rows of one group stay together.
    """

    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        "UTC", description="time zone of days and months"
    )
    validation_from: Date = Field(None, description="end of train")
    test_from: Date = Field(None, description="end of validation")
    validation_weeks: Weeks = Field(None, description="weeks of validation, before the test set")
    test_weeks: Weeks = Field(
        None, description="weeks of the test set, before the last day with labels"
    )
    validation_share: Share = Field(None, description="of the decisions, before the test set")
    test_share: Share = Field(None, description="of the decisions, the last ones")
    clock: Clock = Field(None, description="none: decisions have no time, parts are random")
    groups: list[str] = Field([], description="features whose values may be in one part only")
    embargo_hours: float = Field(0, ge=0, description="gap before validation and test")

    @model_validator(mode="after")
    def in_order(self) -> Self:
        """Refuse a mixture of ways to split, a test before the validation, and no room for train.

        Without a clock, nothing but shares can be given.
        """
        given = [name for way in WAYS for name in way if getattr(self, name) is not None]
        if given and given not in WAYS:
            raise ValueError(
                "give one pair and leave out the others: validation_from and test_from (dates), "
                "validation_weeks and test_weeks (numbers of weeks), or validation_share and "
                f"test_share (shares of the decisions); you gave {', '.join(given)}"
            )
        if self.test_from and self.validation_from and self.test_from <= self.validation_from:
            raise ValueError(
                f"test_from ({self.test_from}) must come after "
                f"validation_from ({self.validation_from})"
            )
        if sum(self.shares) >= 1:
            raise ValueError(
                f"validation_share and test_share are {sum(self.shares):g} together, which leaves "
                "nothing for train. Give less than 1 together"
            )
        if self.clock == "none" and (given not in ([], WAYS[-1]) or self.embargo_hours):
            raise ValueError(
                "split.clock is none, so parts are random: give validation_share and test_share "
                "in place of dates, weeks and embargo_hours"
            )
        return self

    @property
    def shares(self) -> tuple[float, float]:
        """Return the shares of validation and test, by which is split without dates and weeks."""
        return self.validation_share or USUAL_SHARE, self.test_share or USUAL_SHARE

    def starts(self, moments: pd.Series) -> pd.DatetimeIndex:
        """Return the moments at which validation and test begin, in UTC, shape (2,).

        Weeks are counted back from the end of the last local day. By shares a part begins with the
        local day at which so many decisions are left.

        moments: of prediction, of all examples with a known label.
        """
        if self.validation_from:
            dates: list[Any] = [self.validation_from, self.test_from]
            return pd.to_datetime(dates, utc=True)
        if self.validation_weeks and self.test_weeks:
            weeks = [self.validation_weeks + self.test_weeks, self.test_weeks]
            return self.weeks_before(moments.max(), weeks)
        before = [1 - sum(self.shares), 1 - self.shares[1]]
        if self.clock == "none":
            days = pd.to_timedelta([DRAWN_DAYS * share for share in before], unit="D")
            return FIRST_DRAWN + days.round("us")
        of_last = moments.quantile(before, interpolation="higher").reset_index(drop=True)
        return self._midnights(pd.DatetimeIndex(self.day(of_last)))

    def weeks_before(self, last: pd.Timestamp, weeks: Sequence[int]) -> pd.DatetimeIndex:
        """Return the midnights so many weeks before the end of a moment's local day, in UTC."""
        end = self.day(pd.Series([last])).iloc[0] + pd.Timedelta(days=1)
        return self._midnights(
            pd.DatetimeIndex([end - pd.Timedelta(weeks=number) for number in weeks])
        )

    def _midnights(self, days: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """Return the beginnings of local days, in UTC."""
        # Where clocks change at midnight there may be none, or two: then the day begins later, or
        # with the first.
        return days.tz_localize(
            self.timezone, nonexistent="shift_forward", ambiguous=np.full(len(days), True)
        ).tz_convert("UTC")

    def stated(self) -> str:
        """Return as text what the parts follow from, to compare with the split of some parts."""
        own = {"groups"} if self.clock != "none" else set()  # else groups say what stays together
        return self.model_dump_json(exclude=own)

    def require(self, split_summary: pd.DataFrame, **parts: pd.DataFrame) -> None:
        """Raise RunError if a part, by its name, was not made under this split.

        split_summary: of the parts, as `split_examples` returns it.
        """
        again = "Run feature_engineering and all later stages again."
        was, now = json.loads(split_summary["split"].iloc[0]), json.loads(self.stated())
        if was != now:
            changed = (name for name in was | now if was.get(name) != now.get(name))
            differ = "; ".join(
                f"{name} was {was.get(name)}, is {now.get(name)}" for name in changed
            )
            raise RunError(f"The parts were made by another framing.split: {differ}. {again}")
        embargo = pd.Timedelta(hours=self.embargo_hours)
        begins = split_summary.set_index("part")["starts"]
        ends = begins.shift(-1)
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
