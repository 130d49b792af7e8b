"""Experiments in production: their designs, and the variant that each decision gets."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
from kedro.io import DatasetError
from pydantic import AwareDatetime, Field, RootModel, ValidationError, model_validator

from preflight.contracts.documents import Document, DocumentContract, Text
from preflight.datasets import ReadOnlyDataset
from preflight.errors import RunError
from preflight.files import replacing
from preflight.inference.feedback import draw_uniform
from preflight.problem.framing import Framing
from preflight.runs.contracts import Sha256

Policy = Literal["untouched", "champion", "challenger"]
FOLDER = "data/06_models/experiments"
CONTROL, TREATMENT = VARIANTS = ("control", "treatment")
DRAWN = ["unit", "variant"]  # columns of the log


class Stop(Document):
    """Who stopped an experiment before its end, when and why."""

    by: Text
    reason: Text
    at: AwareDatetime


class Design(Document):
    """An experiment: who gets what, for how long, and when its result is looked at.

    It is fixed before the experiment begins: `sha256` is that of all fields but `stopped`.
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$", description="of its file too")
    control: Policy = Field(description="what the control group gets; untouched: nobody acts")
    treatment: Policy = Field(description="what is tried")
    champion: str = Field(description="version of the champion")
    challenger: str | None = Field(description="version of the challenger, if a group gets it")
    unit: list[str] = Field(description="columns whose values are randomised together")
    period_hours: int | None = Field(
        gt=0, description="a unit is drawn again after these; null: no"
    )
    share: float = Field(gt=0, lt=1, description="of units that get the treatment")
    salt: Text = Field(description="of the draw")
    start: date = Field(description="first local day")
    looks: list[date] = Field(min_length=1, description="first local days that a look leaves out")
    alpha: float = Field(gt=0, lt=0.5, description="chance of a difference that is not there")
    effect_per_1000: float = Field(gt=0, description="to be detected, per 1,000 decisions")
    power: float = Field(ge=0, le=1, description="chance that the last look sees this effect")
    standard_error: float = Field(gt=0, description="of the effect at the last look, expected")
    units: int = Field(gt=0, description="expected until the last look")
    false_share: float = Field(ge=0, le=1, description="of looks at the history, both groups alike")
    made_at: AwareDatetime
    stopped: Stop | None = None
    sha256: Sha256

    @property
    def end(self) -> date:
        """Return the first local day after the experiment."""
        return self.looks[-1]

    @property
    def level(self) -> float:
        """Return the level of the interval at each look: alpha is shared by all of them."""
        return 1 - self.alpha / len(self.looks)

    @classmethod
    def seal(cls, **fields: Any) -> Self:
        """Return a design with its hash."""
        open_ = cls.model_construct(**fields, sha256="")
        return cls(**fields, sha256=open_.hash())

    def hash(self) -> str:
        """Return the SHA-256 of all fields that may not change."""
        fields = self.model_dump(mode="json", exclude={"stopped", "sha256"}, warnings=False)
        return sha256(repr(sorted(fields.items())).encode()).hexdigest()

    @model_validator(mode="after")
    def is_unchanged(self) -> Self:
        """Refuse a design that was changed after it was made."""
        if self.hash() != self.sha256:
            raise ValueError(
                "the design was changed after it was made. Restore the file: decisions were "
                "randomised by the old one"
            )
        return self

    def policy(self, variant: str) -> Policy:
        """Return what a variant gets."""
        return self.control if variant == CONTROL else self.treatment

    @property
    def free_from(self) -> date:
        """Return the first day on which another experiment may begin."""
        return min(self.end, self.stopped.at.date() + timedelta(1)) if self.stopped else self.end

    def contains(self, rows: pd.DataFrame, framing: Framing) -> pd.Series:
        """Return whether each row is decided during the experiment, shape (n,)."""
        day = framing.split.day(rows["predict_at"])
        inside = (day >= pd.Timestamp(self.start)) & (day < pd.Timestamp(self.end))
        if self.stopped:
            inside &= rows["predict_at"] < pd.Timestamp(self.stopped.at)
        return inside

    def units_of(self, rows: pd.DataFrame, framing: Framing) -> pd.Series:
        """Return the unit of randomisation of each row, as text, shape (n,).

        Periods are counted from the experiment's first local midnight.
        """
        parts = [rows[name].astype(str) for name in self.unit]
        if self.period_hours:
            start, length = pd.Timestamp(self.start), pd.Timedelta(hours=self.period_hours)
            local = rows["predict_at"].dt.tz_convert(framing.split.timezone).dt.tz_localize(None)
            begun = start + (local - start) // length * length
            parts.append(begun.dt.strftime("%Y-%m-%d %H:%M"))
        return reduce(lambda before, part: before + " " + part, parts)

    def variants_of(self, units: pd.Series) -> pd.Series:
        """Return the variant of each unit, shape (n,): the same in every process."""
        code, names = pd.factorize(units)
        drawn = draw_uniform(pd.DataFrame({"unit": names}), ["unit"], self.salt)[code]
        return pd.Series(np.where(drawn < self.share, TREATMENT, CONTROL), units.index)


def require_free(name: str, start: date, end: date, designs: Iterable[Design]) -> None:
    """Raise RunError if a design of a name and days may not be made next to others.

    A design with the name has begun or was stopped, or another one has a day in common.
    """
    for one in designs:
        remedy = (
            "Or, if no decision was made by it, as in a try with past data, delete "
            f"{FOLDER}/{one.name}.json"
        )
        if one.name == name and (one.stopped or one.start <= datetime.now(UTC).date()):
            state = "was stopped" if one.stopped else f"began on {one.start}"
            raise RunError(
                f"experiment {name} {state}: its design is fixed. Give the new one another name "
                f"(experiment_design.name). {remedy}"
            )
        if one.name != name and start < one.free_from and one.start < end:
            raise RunError(
                f"experiment {one.name} lasts from {one.start} to {one.end}: two cannot run at "
                f"once. Let {name} start then or later (experiment_design.start), or stop the "
                f"other: kedro stop-experiment {one.name} --by NAME --reason WHY. {remedy}"
            )


def draw(
    rows: pd.DataFrame, designs: Iterable[Design], framing: Framing
) -> Iterator[tuple[Design, pd.DataFrame]]:
    """Yield each design with `unit` and `variant` of the rows that are decided during it."""
    for design in designs:
        inside = rows[design.contains(rows, framing)]
        units = design.units_of(inside, framing)
        yield design, pd.DataFrame({"unit": units, "variant": design.variants_of(units)})


def assign(rows: pd.DataFrame, designs: Iterable[Design], framing: Framing) -> pd.DataFrame:
    """Return `unit` and `variant` of each row; null outside of all experiments."""
    assigned = pd.DataFrame(None, rows.index, DRAWN, dtype="str")
    for _, drawn in draw(rows, designs, framing):
        assigned.loc[drawn.index] = drawn
    return assigned


class Designs(ReadOnlyDataset):
    """All designs: a file each, in a folder. Saving adds one, and never changes one that began."""

    def load(self) -> list[Design]:
        """Return all designs, in the order of their start.

        Raises:
            DatasetError: a file is damaged or was changed.
        """
        designs = [self._read(file) for file in sorted(self._filepath.glob("*.json"))]
        return sorted(designs, key=lambda design: design.start)

    def _read(self, file: Path) -> Design:
        try:
            return Design.model_validate_json(file.read_bytes())
        except ValidationError as error:
            why = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise DatasetError(
                f"{file} is no design: {why}. Restore it from a backup, or delete it if no "
                "decision was made by it."
            ) from error

    def save(self, data: Design) -> None:
        """Add a design, or replace one that has not begun.

        Raises:
            DatasetError: it has begun, or another one has a day in common.
        """
        try:
            require_free(data.name, data.start, data.end, self.load())
        except RunError as error:
            raise DatasetError(str(error)) from error
        self._write(data)

    def stop(self, name: str, by: Stop) -> Design:
        """Stop an experiment, and return its design.

        Raises:
            DatasetError: there is none of this name, or it has ended or was stopped before.
        """
        designs = {design.name: design for design in self.load()}
        if name not in designs:
            known = ", ".join(designs) or "none"
            raise DatasetError(f"there is no experiment {name}. There are: {known}")
        if was := designs[name].stopped:
            raise DatasetError(f"experiment {name} was stopped by {was.by} at {was.at}")
        if by.at.date() >= designs[name].end:
            raise DatasetError(f"experiment {name} ended on {designs[name].end}: nothing to stop")
        stopped = designs[name].model_copy(update={"stopped": by})
        self._write(stopped)
        return stopped

    def _write(self, design: Design) -> None:
        self._filepath.mkdir(parents=True, exist_ok=True)
        with replacing(self._filepath / f"{design.name}.json", encoding="utf-8") as file:
            file.write(design.model_dump_json(indent=2))

    def _exists(self) -> bool:
        return any(self._filepath.glob("*.json"))


one_design = DocumentContract(Design)
all_designs = DocumentContract(RootModel[list[Design]])
